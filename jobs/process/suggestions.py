"""Suggestions for a name that does not exist."""

import difflib
from collections.abc import Iterable

MAX_NAMED = 3


def most_similar(name: str, existing: Iterable[str]) -> list[str]:
    """Return the few existing names that are most similar to a name, the most similar first."""
    return difflib.get_close_matches(name, list(existing), MAX_NAMED, cutoff=0)


def likely(name: str, existing: Iterable[str]) -> str | None:
    """Return the existing name that was probably meant, None if none is similar enough."""
    return next(iter(difflib.get_close_matches(name, list(existing), 1)), None)
