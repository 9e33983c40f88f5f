"""A description as text for a terminal: the answer to --query."""

import textwrap
from collections.abc import Sequence

from jobs.describe.exports import Description
from jobs.quality.checks import evidence_text
from jobs.retrieval.neighbours import Neighbour

WIDTH = 100


def format_description(description: Description, neighbours: Sequence[Neighbour], model_name: str) -> str:
    """Return the title, the text, the result of the checks, and the retrieved neighbours."""
    if description.error is not None:
        return f"{description.title}\n\n  error: {description.error}"
    text = description.description or "(no text)"
    verdict = "published" if description.published else "held back: " + ", ".join(description.flags)
    scores = {
        "probability": description.probability,
        "repetition": description.repetition,
        "grounding": description.grounding,
        "copying": description.copying,
    }
    figures = [f"{name} {value:.2f}" for name, value in scores.items() if value is not None]
    figures += [f"words {description.length_words}", f"retries {description.retries}", f"model {model_name}"]
    lines = [
        description.title,
        "",
        *textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  "),
        "",
        f"  {verdict}",
        *(f"    {reason}: {evidence_text(evidence)}" for reason, evidence in description.evidence.items()),
        f"  {'  '.join(figures)}",
    ]
    if neighbours:
        lines += ["", "  neighbours"]
        lines += [f"    {item.similarity:.3f}  {item.uid}  {textwrap.shorten(item.title, 80)}" for item in neighbours]
    return "\n".join(lines)
