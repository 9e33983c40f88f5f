"""The stratified sample: sizes of the strata, and an order and a choice that depend on seed and uid only."""

from collections import Counter

import pytest

from jobs.audit.drawing import Candidate, allocate, draw


@pytest.mark.parametrize(
    ("sizes", "rows", "expected"),
    [
        ({"published": 500, "copied": 500}, 200, {"published": 100, "copied": 100}),
        ({"published": 500, "copied": 500, "short": 3}, 200, {"published": 100, "copied": 97, "short": 3}),
        ({"published": 10, "copied": 500, "short": 500}, 100, {"published": 10, "copied": 45, "short": 45}),
        ({"published": 500}, 200, {"published": 200}),
        ({"published": 500, "copied": 20}, 200, {"published": 180, "copied": 20}),
        ({"copied": 500}, 200, {"copied": 200}),
        ({"published": 3, "copied": 4}, 200, {"published": 3, "copied": 4}),
        ({"published": 500, "copied": 500}, 1, {"published": 1, "copied": 0}),
        (
            {"published": 1000, "short": 1, "copied": 2, "off-title": 5000},
            3,
            {"published": 2, "off-title": 1, "short": 0, "copied": 0},
        ),
        ({"short": 1, "copied": 2, "off-title": 5000}, 2, {"off-title": 1, "copied": 1, "short": 0}),
        ({}, 200, {}),
    ],
)
def test_half_are_published_and_the_reasons_share_the_others(
    sizes: dict[str, int], rows: int, expected: dict[str, int]
) -> None:
    assert allocate(sizes, rows) == expected


def candidates(count: int) -> list[Candidate]:
    flags = ((), ("copied",), ("copied", "rare"))
    return [Candidate(f"P{number}", not (given := flags[number % 3]), given) for number in range(count)]


def test_a_text_is_in_the_stratum_of_its_rarest_reason() -> None:
    drawn = draw([*candidates(300), Candidate("none", False, ())], 300, seed=13)
    assert {(text.stratum, text.stratum_rows) for text in drawn} == {
        ("published", 100), ("copied", 100), ("rare", 100), ("held back", 1)
    }  # fmt: skip


def test_the_order_of_the_candidates_does_not_matter_and_the_seed_does() -> None:
    texts = candidates(300)
    assert draw(texts, 30, seed=1) == draw(texts[::-1], 30, seed=1) != draw(texts, 30, seed=2)


def test_every_text_of_a_stratum_is_equally_likely_to_be_drawn() -> None:
    counts = Counter(text.uid for seed in range(2000) for text in draw(candidates(24), 8, seed) if text.stratum_rows)
    published = [counts[f"P{number}"] for number in range(0, 24, 3)]
    assert all(850 < count < 1150 for count in published)  # 4 of 8 in 2,000 draws: 1,000, standard deviation 22


def test_the_order_of_the_drawn_texts_does_not_tell_their_stratum() -> None:
    """The published stratum is drawn from 1 in 20 and the other one completely."""
    texts = [Candidate(f"P{number}", number >= 50, () if number >= 50 else ("copied",)) for number in range(1050)]
    first = Counter(text.stratum for seed in range(50) for text in draw(texts, 100, seed)[:20])
    assert 400 < first["published"] < 600
