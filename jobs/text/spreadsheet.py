"""Texts in CSV files that a spreadsheet may open."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def escaped(text: str) -> str:
    """Return a text that a spreadsheet would run as a formula with `'` in front; any other text unchanged."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text
