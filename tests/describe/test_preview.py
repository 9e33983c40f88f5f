"""The preview of a description has the text, the result of its checks and the retrieved neighbours."""

from dataclasses import replace

from jobs.describe.exports import Description
from jobs.describe.preview import format_description
from jobs.retrieval.neighbours import Neighbour

ROW = Description(
    uid="query", title="Red Lamp", description="A red lamp for the desk.", flags=(), published=True, neighbours=("P9",),
    neighbour_similarities=(0.8765,), repetition=0.0, grounding=1.0, copying=0.25, length_words=6, ended=True,
    model_digest="abc", retries=1,
)  # fmt: skip


def test_a_published_description_has_its_text_scores_and_neighbours() -> None:
    assert format_description(ROW, [Neighbour("P9", "Blue Lamp", "It is blue.", 0.8765)], "shard-00000") == (
        "Red Lamp\n"
        "\n"
        "  A red lamp for the desk.\n"
        "\n"
        "  published\n"
        "  repetition 0.00  grounding 1.00  copying 0.25  words 6  retries 1  model shard-00000\n"
        "\n"
        "  neighbours\n"
        "    0.876  P9  Blue Lamp"
    )


def test_a_flagged_description_has_the_reasons() -> None:
    text = format_description(replace(ROW, flags=("invented", "short"), published=False), [], "base")
    assert "held back: invented, short" in text
    assert "neighbours" not in text


def test_an_empty_description_is_marked() -> None:
    assert "(no text)" in format_description(
        replace(ROW, description="", flags=("empty",), published=False), [], "base"
    )
