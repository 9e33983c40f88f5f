"""Suggestions for a name that does not exist."""

import difflib
from collections.abc import Iterable

MAX_NAMED = 3


def most_similar(name: str, existing: Iterable[str]) -> list[str]:
    """Return the few existing names that are most similar to a name, the most similar first."""
    return difflib.get_close_matches(name, list(existing), MAX_NAMED, cutoff=0)
