"""Counterfactual rows: one fact exchanged in title and content, only in training rows, the same ones for the same seed."""

import pyarrow as pa
import pytest

from jobs.train.counterfactuals import counterfactual_rows

SEED = (13, 0, 1)
COLOURS, MAKERS = ("Red", "Blue", "Amber", "Slate Grey"), ("Fernhill", "Oakley", "Ironwood")
ROWS = [
    (f"{maker} {colour} Wool Sock", f"Sock of {colour.lower()} wool by {maker}.")
    for maker in MAKERS
    for colour in COLOURS
]


def table(rows: list[tuple[str, str]] = ROWS, test: tuple[int, ...] = ()) -> pa.Table:
    """A shard; `test`: the positions of its test rows."""
    return pa.table(
        {
            "title": [title for title, _ in rows],
            "content": [content for _, content in rows],
            "split": ["test" if row in test else "train" for row in range(len(rows))],
            "row": list(range(len(rows))),
        }
    )


def pairs_of(made: pa.Table) -> list[tuple[str, str]]:
    return list(zip(made["title"].to_pylist(), made["content"].to_pylist(), strict=True))


def test_one_fact_is_exchanged_in_title_and_content() -> None:
    made = counterfactual_rows(table(), 1.0, SEED)
    assert made["row"].to_pylist() == list(range(len(ROWS)))
    for (title, content), (old_title, _) in zip(pairs_of(made), ROWS, strict=True):
        assert (title, content) in ROWS, "ROWS has all makers with all colours"
        assert sum(word in title for word in (*MAKERS, *COLOURS) if word in old_title) == 1, (
            "one of two facts is exchanged"
        )


def test_a_phrase_with_punctuation_within_it_is_exchanged_in_both_or_not_at_all() -> None:
    rows = [
        (f"Acme Cotton Tee, {colour}, {size}", f"This {colour.lower()} {size.lower()} tee is soft.")
        for colour in COLOURS[:3]
        for size in ("Small", "Large", "Medium")
    ]
    for title, content in pairs_of(counterfactual_rows(table(rows * 3), 1.0, SEED)):
        assert (title, content) in rows


def test_a_fact_is_exchanged_for_the_spelling_of_a_title() -> None:
    makers = ("Corrigan & Sons", "HP", "Fernhill", "Men's")
    rows = [
        (f"{maker} {colour} Wool Sock", f"{maker} makes this sock of {colour.lower()} wool.")
        for maker in makers
        for colour in COLOURS[:3]
    ]
    for title, content in pairs_of(counterfactual_rows(table(rows * 3), 1.0, SEED)):
        assert (title, content) in rows


def test_a_fraction_of_the_rows_is_drawn_with_the_seed() -> None:
    rows = table(ROWS * 20)
    drawn = counterfactual_rows(rows, 0.5, SEED)
    assert 0.35 < drawn.num_rows / rows.num_rows < 0.65
    assert counterfactual_rows(rows, 0.5, SEED) == drawn
    assert counterfactual_rows(rows, 0.5, (13, 1, 1)) != drawn


def test_only_training_rows_are_exchanged_and_only_for_what_other_training_rows_have() -> None:
    blue = tuple(row for row, (title, _) in enumerate(ROWS) if "Blue" in title)
    made = counterfactual_rows(table(test=blue), 1.0, SEED)
    assert not set(made["row"].to_pylist()) & set(blue)
    assert set(made["split"].to_pylist()) == {"train"}
    assert not [text for pair in pairs_of(made) for text in pair if "blue" in text.lower()]


@pytest.mark.parametrize("rows", [[], [("Wool Sock Red", "Warm."), ("Wool Sock Blue", "Warm.")], [("Lamp", "A lamp.")]])
def test_rows_without_an_exchangeable_fact_give_none(rows: list[tuple[str, str]]) -> None:
    made = counterfactual_rows(table(rows) if rows else table().slice(0, 0), 1.0, SEED)
    assert made.num_rows == 0
    assert made.schema == table().schema
