"""The two recipes, and what the help says about them."""

from dataclasses import fields

from jobs.process.command_line import describe_field
from jobs.train import recipes
from jobs.train.recipes import FAST, REFERENCE
from jobs.train.settings import Settings

DIFFERENT = [
    field.name
    for field in fields(FAST)
    if field.name != "name" and getattr(FAST, field.name) != getattr(REFERENCE, field.name)
]


def test_the_documentation_names_each_difference() -> None:
    documented = recipes.__doc__ or ""
    assert [name for name in DIFFERENT if f"`{name}`" not in documented] == []


def test_the_help_has_the_values_of_both_recipes() -> None:
    texts = {name: describe_field(name, field) for name, field in Settings.model_fields.items()}
    assert "Default: 0.0003 (fast), 0.0001 (reference)." in texts["learning_rate"]
    assert "Default: no limit (fast), 8 (reference)." in texts["batch_rows"]
    assert "Default: 4096 (fast), no limit (reference)." in texts["target_tokens_per_batch"]
    assert "Default: 0.02 (fast), 0 (reference)." in texts["warmup"]
    assert "Default: 3." in texts["epochs"]
    assert "Default: 128, or 384 with --retrieval-share." in texts["max_source_tokens"]
