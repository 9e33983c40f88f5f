"""Copying: how much of a text is taken from its title or from a neighbour."""

from collections.abc import Sequence

from jobs.quality.metrics import words

COPIED_RUN_WORDS = 8


def copying(text: str, title: str, neighbour_texts: Sequence[str]) -> float:
    """Return the fraction of copied words: 1 if all are words of the title, else those in runs of 8 or more words of one neighbour.

    A text that has most words of its title is right; one that adds none describes nothing. Common short words and short phrases
    of a neighbour are not copies.
    """
    text_words = words(text)
    if not text_words:
        return 0.0
    if set(text_words) <= set(words(title)):
        return 1.0
    return max((_words_in_long_runs(text_words, words(source)) for source in neighbour_texts), default=0) / len(
        text_words
    )


def _words_in_long_runs(text_words: Sequence[str], source: Sequence[str]) -> int:
    """Return the number of words in runs of `COPIED_RUN_WORDS` that the source has too."""
    size = COPIED_RUN_WORDS
    runs = {tuple(source[start : start + size]) for start in range(len(source) - size + 1)}
    covered: set[int] = set()
    for start in range(len(text_words) - size + 1):
        if tuple(text_words[start : start + size]) in runs:
            covered.update(range(start, start + size))
    return len(covered)
