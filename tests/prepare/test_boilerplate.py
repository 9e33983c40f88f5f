"""Boilerplate: sentences that recur and follow from no title are removed from the contents, and nothing else is."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from jobs.prepare import boilerplate, job
from jobs.prepare.settings import Settings
from jobs.storage import catalogue
from jobs.storage.catalogue import Catalogue
from jobs.storage.layout import STATISTICS_FILE
from jobs.storage.store import Store

PROMISE = "Comes with a two-year guarantee!"
WORDS = (
    "amber",
    "basket",
    "copper",
    "drawer",
    "easel",
    "fender",
    "gravel",
    "hammock",
    "icebox",
    "jigsaw",
    "kettle",
    "lantern",
)

Rows = list[tuple[str, str]]
Prepare = Callable[..., Catalogue]


@pytest.fixture
def prepare(store: Store, tmp_path: Path) -> Prepare:
    """Makes a catalogue of rows, each a title and a content."""

    def prepared(rows: Sequence[tuple[str, str]], name: str = "main", **settings: Any) -> Catalogue:
        path = tmp_path / f"{name}.jsonl"
        lines = [{"uid": f"U{at}", "title": title, "content": content} for at, (title, content) in enumerate(rows)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        job.run(Settings(store=store.url, input=str(path), catalogue=name, **{"processes": 1, **settings}))
        return catalogue.require(store, name)

    return prepared


def product(number: int, *sentences: str) -> tuple[str, str]:
    """Return the title of a product, and a content of twelve words of its own and these sentences."""
    own = " ".join(random.Random(number).choices(WORDS, k=12))
    return f"Model {number} of the {own.split()[0]} line", " ".join([f"Number {number}, {own}.", *sentences])


def products(count: int, *sentences: str, first: int = 0) -> Rows:
    return [product(number, *sentences) for number in range(first, first + count)]


def contents(made: Catalogue, folder: Path) -> dict[str, str]:
    """Return the content of each title."""
    tables = [made.read_file(name, folder) for name in made.files()]
    return {row["title"]: row["content"] for table in tables for row in table.to_pylist()}


def statistics(made: Catalogue, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made.artifact.fetch(STATISTICS_FILE, folder).read_text())["boilerplate"]
    return found


def test_a_sentence_that_recurs_is_removed_and_the_rest_of_each_content_stays(prepare: Prepare, tmp_path: Path) -> None:
    rows = products(20, PROMISE, "Made in one of three workshops.") + products(19, "Ships in a plain box.", first=20)
    made = prepare(rows)
    expected = {title: content.replace(f" {PROMISE} Made in one of three workshops.", "") for title, content in rows}
    assert contents(made, tmp_path) == expected
    assert statistics(made, tmp_path) == {
        "sentences": 2,
        "most_frequent": [
            {"sentence": PROMISE, "clusters": 20},
            {"sentence": "Made in one of three workshops.", "clusters": 20},
        ],
    }
    assert made.artifact.manifest.figures["boilerplate"] == 2


def test_case_and_final_punctuation_make_no_difference(prepare: Prepare, tmp_path: Path) -> None:
    rows = products(10, PROMISE) + products(10, "COMES WITH A TWO-YEAR GUARANTEE", first=10)
    assert not any("guarantee" in content.lower() for content in contents(prepare(rows), tmp_path).values())


def test_without_the_setting_every_sentence_stays(prepare: Prepare, tmp_path: Path) -> None:
    rows = products(30, PROMISE)
    assert contents(prepare(rows, boilerplate_from=0), tmp_path) == dict(rows)


def test_near_duplicates_count_once(prepare: Prepare, tmp_path: Path) -> None:
    _, content = product(1, PROMISE)
    rows = [(f"Model 1 in variant {number}", content) for number in range(30)] + products(10, first=40)
    assert contents(prepare(rows), tmp_path) == dict(rows)


def test_a_sentence_that_follows_from_the_titles_stays(prepare: Prepare, tmp_path: Path) -> None:
    rows = [(f"{title}, Red", f"{content} The colour is red.") for title, content in products(25)] + products(
        9, first=25
    )
    assert contents(prepare(rows), tmp_path) == dict(rows)


def test_a_sentence_with_a_number_that_the_titles_lack_is_removed(prepare: Prepare, tmp_path: Path) -> None:
    rows = [(f"{title}, Paper", f"{content} 192 pages of paper.") for title, content in products(25)]
    made = contents(prepare(rows + products(9, first=25)), tmp_path)
    assert not any("pages" in content for content in made.values())


def test_a_word_that_every_title_has_explains_nothing(prepare: Prepare, tmp_path: Path) -> None:
    rows = products(25, "A model for every purpose.")
    assert contents(prepare(rows), tmp_path) == dict(products(25))


def test_an_exclamation_of_one_word_is_removed(prepare: Prepare, tmp_path: Path) -> None:
    assert contents(prepare(products(25, "New!")), tmp_path) == dict(products(25))


def test_another_sentence_of_one_word_stays(prepare: Prepare, tmp_path: Path) -> None:
    rows = [(title, f"{content.removesuffix('.')} on 30 Sq. Ft.") for title, content in products(25)]
    assert contents(prepare(rows), tmp_path) == dict(rows)


def test_a_word_of_the_titles_explains_no_long_sentence(prepare: Prepare, tmp_path: Path) -> None:
    rows = [(f"{title}, Puzzle", content) for title, content in products(25)]
    made = prepare(
        [(title, f"{content} Every puzzle has a picture of the sea.") for title, content in rows]
        + products(9, first=25)
    )
    assert contents(made, tmp_path) == dict(rows + products(9, first=25))


def test_a_sentence_that_differs_only_in_the_title_recurs(prepare: Prepare, tmp_path: Path) -> None:
    rows = [(title, f"{content} Buy {title} at best prices.") for title, content in products(25)]
    made = prepare(rows)
    assert contents(made, tmp_path) == dict(products(25))
    assert statistics(made, tmp_path)["most_frequent"][0]["sentence"] == "Buy TITLE at best prices."


def test_the_title_in_a_sentence_that_stays_is_not_changed(prepare: Prepare, tmp_path: Path) -> None:
    rows = [(title, f"The {title}, {number}. {PROMISE}") for number, (title, _) in enumerate(products(25))]
    assert contents(prepare(rows), tmp_path) == {title: content.removesuffix(f" {PROMISE}") for title, content in rows}


BEHIND = "Great discounts, only genuine products."


@pytest.mark.parametrize("end", [".", "!", ""])
def test_boilerplate_behind_a_dash_is_removed_and_the_rest_of_its_sentence_stays(
    prepare: Prepare, tmp_path: Path, end: str
) -> None:
    rows = products(25, BEHIND) + [
        (title, f"{content.removesuffix('.')}, stop watch - {BEHIND.removesuffix('.')}{end}")
        for title, content in products(25, first=25)
    ]
    left = [
        (title, f"{content.removesuffix('.')}, stop watch{end and '.'}") for title, content in products(25, first=25)
    ]
    assert contents(prepare(rows), tmp_path) == dict(products(25) + left)


def test_boilerplate_that_is_always_behind_a_dash_is_removed(prepare: Prepare, tmp_path: Path) -> None:
    rows = [(title, f"{content.removesuffix('.')} - {BEHIND} More.") for title, content in products(25)]
    assert contents(prepare(rows), tmp_path) == {title: f"{content} More." for title, content in products(25)}


def test_boilerplate_between_dashes_is_removed(prepare: Prepare, tmp_path: Path) -> None:
    rows = [(title, f"{content} In blue - {BEHIND.removesuffix('.')} - with a lid.") for title, content in products(9)]
    left = [(title, f"{content} In blue - with a lid.") for title, content in products(9)]
    assert contents(prepare(rows + products(25, BEHIND, first=9)), tmp_path) == dict(left + products(25, first=9))


def test_a_sentence_that_begins_with_a_dash_is_the_same(prepare: Prepare, tmp_path: Path) -> None:
    rows = products(13, f"- {BEHIND}") + products(12, BEHIND, first=13)
    assert contents(prepare(rows), tmp_path) == dict(products(25))


@pytest.mark.parametrize(
    "attributes",
    ["20 ft - 24 AWG solid copper wire - Blue", "15.6-inch - 1920 x 1080 - Piano Black", "In a box - for two people"],
)
def test_attributes_between_dashes_stay(prepare: Prepare, tmp_path: Path, attributes: str) -> None:
    rows = [(title, f"{content} Item {number} - {attributes}") for number, (title, content) in enumerate(products(25))]
    assert contents(prepare(rows), tmp_path) == dict(rows)


@pytest.mark.parametrize(
    ("quoted", "left"),
    [('"a fine tale."', '"a fine tale."'), ("by Ann, and", "by Ann, and."), ("for men:", "for men.")],
)
def test_what_is_left_of_a_sentence_ends_once(prepare: Prepare, tmp_path: Path, quoted: str, left: str) -> None:
    rows = [(title, f"{content.removesuffix('.')} {quoted} - {BEHIND}") for title, content in products(25)]
    expected = {title: f"{content.removesuffix('.')} {left}" for title, content in products(25)}
    assert contents(prepare(rows), tmp_path) == expected


@pytest.mark.parametrize("rest", ["", "Short. ", "Model 90 of the line. "])
def test_a_content_of_which_too_little_would_be_left_stays_as_it_is(
    prepare: Prepare, tmp_path: Path, rest: str
) -> None:
    only = ("Model 90 of the line", rest + PROMISE)
    assert contents(prepare([*products(25, PROMISE), only]), tmp_path)[only[0]] == only[1]


def test_products_that_differ_only_in_boilerplate_share_a_cluster(prepare: Prepare, tmp_path: Path) -> None:
    rows = [*products(25, PROMISE), *products(25, "Ships in a plain box without plastic.", first=25)]
    _, content = product(1)
    made = prepare([*rows, ("One more model", f"{content} Ships in a plain box without plastic.")])
    tables = [made.read_file(name, tmp_path) for name in made.files()]
    clusters = {row["title"]: row["cluster"] for table in tables for row in table.to_pylist()}
    assert clusters["One more model"] == clusters[product(1)[0]]


def test_any_number_of_processes_and_passes_finds_the_same(
    prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = products(40, PROMISE, "Made in one of three workshops.") + products(400, first=40)
    one = prepare(rows)
    monkeypatch.setattr(boilerplate, "_SENTENCES_PER_PASS", 100)
    many = prepare(rows, "many", processes=2)
    assert [made.artifact.manifest.figures["boilerplate"] for made in (one, many)] == [2, 2]
    assert {name: file.sha256 for name, file in one.artifact.manifest.files.items()} == {
        name: file.sha256 for name, file in many.artifact.manifest.files.items()
    }
