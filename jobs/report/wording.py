"""The wording of figures and names in a report, the same for every table, card and sentence."""

import math
from collections.abc import Sequence

from jobs.quality.metrics import Interval
from jobs.quality.settings import EVIDENCE_NEIGHBOURS
from jobs.report.document import Cell
from jobs.report.history import History, Stage

METRIC_NAMES = {
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "rougeLsum": "ROUGE-Lsum",
    "loss": "Loss",
    "repetition": "Repetition",
    "flagged": "Flagged",
}
SHARES = ("flagged", "repetition")
_BASELINES = {"title-repeated": "The title as answer", "nearest-neighbour": "The nearest neighbour's text"}
_REASONS = {
    "empty": "no text",
    "off-title": "not about its title",
    "generic": "same text for other products",
    "repetition": "repeated text",
    "invented": "invented number, code or attribute",
    "contradicts": "contradicts the title",
    "unsupported": "a sentence or word without support",
    "wording": "unusual wording",
    "prompt": "words of the prompt",
    "unknown": "a sign that the model cannot write",
    "copied": "copied",
    "short": "too short",
    "long": "too long",
    "unfinished": "ends within a sentence",
    "unreliable": "too few texts of its part pass the checks",
}
INVENTED_AND_COPIED = (
    f"Invented: in neither the title nor the texts of enough of the nearest products (at most {EVIDENCE_NEIGHBOURS}; "
    "--number-support). Copied: from the title or the text of one of these products."
)
"""Explains two reasons in captions: with which texts an answer is compared."""


def reason_label(name: str) -> str:
    """Return the words for a reason why an answer or description is flagged."""
    return _REASONS.get(name, name)


def stage_label(stage: Stage) -> str:
    """Return the name of a stage: `Base model`, `After 3 shards with retrieval`."""
    shards = 0 if stage.shard is None else stage.shard + 1
    model = "Base model" if not shards else f"After {counted(shards, 'shard')}"
    return f"{model} with retrieval" if stage.retrieval else model


def baseline_label(name: str) -> str:
    """Return the name of a baseline."""
    return _BASELINES.get(name, name)


def model_label(history: History) -> str:
    """Return the base model's name with its source and size."""
    figures = history.model_figures
    parameters, source = figures.get("parameters"), figures.get("source")
    size = f"{parameters:,} parameters" if isinstance(parameters, int) else "of unknown size"
    return f"model {history.model!r} ({source}, {size})" if source else f"model {history.model!r} ({size})"


def lower_first(text: str) -> str:
    """Return a label as it is written within a sentence."""
    return text[:1].lower() + text[1:]


def number(value: object, digits: int) -> str:
    """Return a number rounded to `digits` decimals; empty if it is unknown."""
    return f"{value:,.{digits}f}" if isinstance(value, int | float) and not math.isnan(value) else ""


def count(value: object) -> str:
    """Return a whole number with thousands separators; empty if it is unknown."""
    return f"{int(value):,}" if isinstance(value, int | float) else ""


def counted(amount: int, noun: str) -> str:
    """Return a number with its noun, whose plural ends in s: `1 shard`, `2,000 shards`."""
    return f"{amount:,} {plural(amount, noun)}"


def counted_range(amounts: Sequence[int], noun: str) -> str:
    """Return the least and the greatest number with the noun, or one number if they are equal: `25 to 200 questions`."""
    least, most = min(amounts), max(amounts)
    return counted(most, noun) if least == most else f"{least:,} to {counted(most, noun)}"


def plural(amount: int, noun: str) -> str:
    """Return a noun as it follows a number: `shard` after 1, else `shards`."""
    return noun if amount == 1 else f"{noun}s"


MIN_WHOLE = 0.0995
"""From this share to 1 minus it, `percent()` shows no decimal."""


def percent(value: float) -> str:
    """Return a share from 0 to 1 as a percentage, with one decimal below 10 and above 90 %. Only 0 and 1 give 0 and 100 %."""
    if 0 < value < MIN_WHOLE or 1 - MIN_WHOLE < value < 1:
        return f"{min(max(value * 100, 0.1), 99.9):.1f} %"
    return f"{value * 100:.0f} %"


def share(part: object, whole: object) -> str:
    """Return `part` as a percentage of `whole`; empty if one of them is unknown."""
    if not isinstance(part, int | float) or not isinstance(whole, int | float) or not whole:
        return ""
    return percent(part / whole)


def dollars(seconds: float, hour_price: float) -> str:
    """Return the cost of a duration at a price per hour, in USD."""
    return f"${seconds / 3600 * hour_price:,.2f}"


def signed(value: float) -> str:
    """Return a difference with its sign."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def span(difference: Interval) -> str:
    """Return the bounds of a difference's interval."""
    return f"{signed(difference.low)} to {signed(difference.high)}"


def interval(mean: Interval | None, metric: str) -> Cell:
    """Return a cell with a mean and its interval; empty if it is unknown."""
    if mean is None:
        return Cell("")
    if metric in SHARES:
        return Cell(percent(mean.value), f"{percent(mean.low)} – {percent(mean.high)}")
    return Cell(f"{mean.value:.3f}", f"{mean.low:.3f} – {mean.high:.3f}")


def cut(text: str, characters: int) -> str:
    """Return a text on one line, shortened to `characters` if it is longer."""
    text = " ".join(text.split())
    return text if len(text) <= characters else text[:characters].rstrip() + " …"
