"""The names of the fields that hold title, content and uid of a row.

A name is given by a setting, or found among the names that the rows have: ours, then those of the public Amazon dumps
(`description`, `asin` since 2014, `parent_asin` since 2023).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

CANDIDATES = {"title": ("title",), "content": ("content", "description"), "uid": ("uid", "asin", "parent_asin")}
MAX_UID_CHARACTERS = 200
"""A uid is part of a key in Postgres."""


@dataclass(frozen=True)
class Fields:
    """The name of the field with each part of a row. In settings, an empty name means that it is to be found."""

    title: str = ""
    content: str = ""
    uid: str = ""


DEFAULT_FIELDS = Fields(*(names[0] for names in CANDIDATES.values()))


def is_uid(text: str) -> bool:
    """Return whether a text can be the uid of a row: printable, and not too long."""
    return len(text) <= MAX_UID_CHARACTERS and text.isprintable()


def find_fields(chosen: Fields, names: Collection[str]) -> Fields:
    """Return the fields of rows that have fields with these names.

    A name that differs from ours only in case or in spaces around it is found too. What is not found has our name.
    """
    return Fields(**{part: getattr(chosen, part) or _find(CANDIDATES[part], names) for part in CANDIDATES})


def names_in(rows: Iterable[Any]) -> list[str]:
    """Return the names of the fields of all rows that are objects, in the order of their first occurrence."""
    return list(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row if isinstance(name, str)))


def _find(candidates: Collection[str], names: Collection[str]) -> str:
    for candidate in candidates:
        if candidate in names:
            return candidate
    for candidate in candidates:
        for name in names:
            if name.strip().lower() == candidate:
                return name
    return next(iter(candidates))
