"""The prompt of the model, in training and in generation."""

from collections.abc import Sequence

from jobs.text.instruction import INSTRUCTION, NEIGHBOUR_SEPARATOR


def prompt(title: str, neighbours: Sequence[str] = ()) -> str:
    """Return the prompt for a title, followed by the texts of its retrieved neighbours, nearest first."""
    return INSTRUCTION + title + "".join(NEIGHBOUR_SEPARATOR + text for text in neighbours)
