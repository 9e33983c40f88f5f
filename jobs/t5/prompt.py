"""The question that the model is asked, in training and after."""

from collections.abc import Sequence

INSTRUCTION = "Please describe this product: "
SIMILAR = " Similar product: "


def prompt(title: str, neighbours: Sequence[str] = ()) -> str:
    """The prompt for a title; with retrieval, the same prompt followed by the text of its neighbours, nearest first."""
    return INSTRUCTION + title + "".join(SIMILAR + text for text in neighbours)
