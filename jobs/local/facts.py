"""Counts of the descriptions of the generated sample that state every fact of their title correctly."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.sample.facts import FactCheck, check_facts


@dataclass(frozen=True)
class FactCounts:
    """`texts`: all descriptions. `right`: those that state every fact of their title correctly. `not_right`: the others.

    `published`, `published_right` and `published_guesses` count published descriptions only. A guess is a remark or a promise
    that is not in the title. The names of the fields are those in `summary.json`.
    """

    texts: int
    right: int
    published: int
    published_right: int
    published_guesses: int
    not_right: tuple[Mapping[str, Any], ...]


def count_facts(lines: Path) -> FactCounts:
    """Return the counts of a file of descriptions, JSON Lines. Titles that do not belong to the sample are ignored."""
    checked: list[tuple[Mapping[str, Any], FactCheck]] = []
    with lines.open(encoding="utf-8") as file:
        for row in map(json.loads, file):
            with contextlib.suppress(ValueError):
                checked.append((row, check_facts(row["title"], row["description"])))
    return FactCounts(
        texts=len(checked),
        right=sum(facts.all_right for _, facts in checked),
        published=sum(row["published"] for row, _ in checked),
        published_right=sum(row["published"] and facts.all_right for row, facts in checked),
        published_guesses=sum(row["published"] and bool(facts.guesses) for row, facts in checked),
        not_right=tuple(
            {
                "uid": row["uid"],
                "title": row["title"],
                "published": row["published"],
                "wrong": facts.wrong,
                "missing": facts.missing,
            }
            for row, facts in checked
            if not facts.all_right
        ),
    )
