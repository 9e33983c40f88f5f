"""How many texts of the generated sample have the facts of their titles right, as `summary.json` and the terminal show it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from jobs.local import summary
from jobs.local.facts import count_facts

TITLE = "Alderney Carbon Steel Frying Pan, 10-inch, Slate Grey (F216)"
RIGHT = "The Alderney frying pan is made of carbon steel. Size: 10-inch. Colour: slate grey."
GUESS = f"{RIGHT} Works on gas and induction. Comes with a two-year guarantee."
WRONG = RIGHT.replace("slate grey", "red")


def lines(folder: Path, *rows: tuple[str, str, bool]) -> Path:
    path = folder / "descriptions.jsonl"
    written = [
        {"uid": f"S{number}", "title": title, "description": text, "published": published}
        for number, (title, text, published) in enumerate(rows)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in written))
    return path


def test_texts_with_all_facts_right_are_counted_and_the_others_are_listed(tmp_path: Path) -> None:
    counts = count_facts(
        lines(tmp_path, (TITLE, RIGHT, True), (TITLE, RIGHT, False), (TITLE, WRONG, True), (TITLE, "", False))
    )
    assert (counts.texts, counts.right, counts.published, counts.published_right) == (4, 2, 2, 1)
    assert [(row["uid"], row["published"], row["wrong"], row["missing"]) for row in counts.not_right] == [
        ("S2", True, {"colour": ("Red",)}, ()),
        ("S3", False, {}, ("kind", "maker", "material", "size", "colour")),
    ]


def test_titles_that_are_not_of_the_sample_are_not_counted(tmp_path: Path) -> None:
    assert count_facts(lines(tmp_path, ("Steel water bottle", RIGHT, True), (TITLE, RIGHT, True))).texts == 1


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([(RIGHT, True), (RIGHT, True), (WRONG, False)], "right in 2 of 3 texts, in all published ones"),
        ([(RIGHT, True), (WRONG, True), (WRONG, False)], "right in 1 of 3 texts, in 1 of 2 published ones"),
        (
            [(GUESS, True), (RIGHT, True), (GUESS, False)],
            "in all published ones; 1 published with a guess (a remark, a promise)",
        ),
        ([(RIGHT, False)], "right in 1 of 1 texts, none is published"),
    ],
)
def test_the_table_has_a_line_with_the_facts(tmp_path: Path, rows: list[tuple[str, bool]], sentence: str) -> None:
    counts = count_facts(lines(tmp_path, *[(TITLE, text, published) for text, published in rows]))
    assert sentence in summary.table(figures() | {"facts": asdict(counts)}, tmp_path)


def test_the_table_of_another_catalogue_has_no_line_with_facts(tmp_path: Path) -> None:
    assert "facts" not in summary.table(figures(), tmp_path)


def test_the_table_has_the_scores_of_a_merged_model_from_its_evaluation(tmp_path: Path) -> None:
    merged: dict[str, Any] = {"shard": 3, "merged_shards": 2}
    assert "merged after shard 3, loss on held-out products not measured, ROUGE-L not measured" in summary.table(
        figures() | {"model": merged}, tmp_path
    )
    scores = {"held_out_loss": 0.5, "held_out_rougeL": 0.25}
    assert "products 0.500, ROUGE-L 0.250" in summary.table(figures() | {"model": merged | scores}, tmp_path)


def test_the_table_names_the_reasons_if_nothing_is_published(tmp_path: Path) -> None:
    reasons = {"contradicts": 5, "generic": 1_300, "invented": 5, "off-title": 7, "short": 1}
    texts = {"products": 1_300, "published": 0, "flagged": 1_300, "failed": 0, "reasons": reasons}
    none = figures() | {"descriptions": texts}
    assert "reasons: generic 1,300, off-title 7, contradicts 5, invented 5\n" in summary.table(none, tmp_path)
    assert "reasons: " not in summary.table(none | {"descriptions": texts | {"published": 1}}, tmp_path)
    assert "reasons: " not in summary.table(none | {"descriptions": texts | {"reasons": {}}}, tmp_path)


def test_advice_is_given_only_if_nothing_is_published_and_about_the_tiny_model_only_if_it_was_trained() -> None:
    none = figures() | {"descriptions": {"products": 3, "published": 0, "flagged": 3, "failed": 0}}
    assert summary.nothing_published(figures(), tiny=True) == ""
    assert "MODEL=google/flan-t5-base" in summary.nothing_published(none, tiny=True)
    assert "report.html" in summary.nothing_published(none, tiny=False)
    assert "tiny" not in summary.nothing_published(none, tiny=False)


def figures() -> dict[str, Any]:
    return {
        "catalogue": {"kept": 9, "read": 10, "rejected": 1, "shards": 1},
        "model": {"shard": 0, "validation_loss": 1.0, "rougeL": None},
        "descriptions": {"products": 3, "published": 2, "flagged": 1, "failed": 0},
        "seconds": {"total": 9.0},
    }
