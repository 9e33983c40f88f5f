"""The names of the fields that hold title, content and uid of a row.

A setting gives the name of a field. Without it, the first known name that the rows have is used: `title`, `content` or `uid`, then
those of the public Amazon dumps (`description`, `asin` since 2014, `parent_asin` since 2023).
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

CANDIDATES = {"title": ("title",), "content": ("content", "description"), "uid": ("uid", "asin", "parent_asin")}
MAX_UID_CHARACTERS = 200
"""A uid is part of a key in Postgres."""
MAX_EXACT_FLOAT = 2**53
"""From here on, a float can be the nearest one to several integers."""


@dataclass(frozen=True)
class Fields:
    """The name of the field with each part of a row. In settings, an empty name means the first known one that the rows have."""

    title: str = ""
    content: str = ""
    uid: str = ""


DEFAULT_FIELDS = Fields(*(names[0] for names in CANDIDATES.values()))


def uid_of(value: Any) -> str | None:
    """Return the uid that a row has with this value in its uid field, or None if the value is blank, null or NaN.

    A float that is an integer is written as one, because pandas stores integers as floats if one of them is missing.
    Errors: `ValueError` if the value is neither a text nor an integer, or is too long or not printable. Its message is the
    predicate of a sentence about the uid.
    """
    if isinstance(value, str):
        text = value
        if not text or text.isspace():
            return None
    elif value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    elif isinstance(value, int | float) and _is_integer(value):
        text = str(int(value))
    else:
        raise ValueError("is neither a text nor an integer")
    if len(text) > MAX_UID_CHARACTERS or not text.isprintable():
        raise ValueError(f"is longer than {MAX_UID_CHARACTERS} characters or not printable")
    return text


def find_fields(chosen: Fields, names: Collection[str]) -> Fields:
    """Return the fields of rows that have fields with these names.

    Case and surrounding spaces of a known name are ignored. A part without a field has the first known name.
    """
    return Fields(**{part: getattr(chosen, part) or _find(CANDIDATES[part], names) for part in CANDIDATES})


def names_in(rows: Iterable[Any]) -> list[str]:
    """Return the names of the fields of all rows that are objects, in the order of their first occurrence."""
    return list(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row if isinstance(name, str)))


def _is_integer(value: float) -> bool:
    """Return whether a number is an integer of which no digit is lost."""
    if isinstance(value, float):
        return value.is_integer() and abs(value) < MAX_EXACT_FLOAT
    return not isinstance(value, bool)


def _find(candidates: Collection[str], names: Collection[str]) -> str:
    for candidate in candidates:
        if candidate in names:
            return candidate
    for candidate in candidates:
        for name in names:
            if name.strip().lower() == candidate:
                return name
    return next(iter(candidates))
