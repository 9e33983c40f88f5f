"""The answer to --query: the description of one title as text for a terminal."""

import textwrap
from collections.abc import Sequence

from jobs.describe import titles
from jobs.describe.exports import Description
from jobs.describe.parts import Loader
from jobs.process.errors import InputError
from jobs.quality.checks import evidence_text
from jobs.retrieval.neighbours import Neighbour
from jobs.text.cleaning import Profile

WIDTH = 100


def print_description(query: str, profile: Profile, load: Loader, model_name: str) -> None:
    """Print the description of a query. Errors: `InputError` (65) if it cannot be described."""
    title = titles.of_query(query, profile)
    if title.error:
        raise InputError(f"--query {query!r}: {title.error}")
    search, describer = load()
    neighbours = search([title])
    [description] = describer.describe([title], neighbours)
    if description.error:
        raise InputError(f"--query {query!r}: {description.error}")
    print(format_description(description, neighbours[0], model_name))


def format_description(description: Description, neighbours: Sequence[Neighbour], model_name: str) -> str:
    """Return the title, the text, the result of the checks, and the retrieved neighbours."""
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
