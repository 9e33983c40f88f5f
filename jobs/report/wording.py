"""How figures are worded in a report: one way for every table, card and sentence."""

import math

from jobs.quality.metrics import Interval
from jobs.report.document import Cell
from jobs.report.history import Stage

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
_BASELINES = {"title-repeated": "The title repeated", "nearest-neighbour": "The nearest neighbour's text"}
_REASONS = {
    "empty": "no text",
    "repetition": "repeated text",
    "invented": "invented number or code",
    "contradicts": "contradicts the title",
    "copied": "copied",
    "short": "too short",
    "long": "too long",
    "unfinished": "cut off",
}


def reason_label(name: str) -> str:
    """What a reason to flag a description says."""
    return _REASONS.get(name, name)


def stage_label(stage: Stage) -> str:
    """How a reader knows a stage."""
    shards = 0 if stage.shard is None else stage.shard + 1
    model = "Base model" if not shards else f"After {shards:,} shard" + "s" * (shards > 1)
    return f"{model} + retrieval" if stage.retrieval else model


def baseline_label(name: str) -> str:
    """How a reader knows a baseline."""
    return _BASELINES.get(name, name)


def lower_first(text: str) -> str:
    """A label within a sentence."""
    return text[:1].lower() + text[1:]


def number(value: object, digits: int) -> str:
    """A number with so many digits after the point; blank where there is none."""
    return f"{value:,.{digits}f}" if isinstance(value, int | float) and not math.isnan(value) else ""


def count(value: object) -> str:
    """A whole number with its thousands parted; blank where there is none."""
    return f"{int(value):,}" if isinstance(value, int | float) else ""


def percent(value: float) -> str:
    """A share as a percentage; one digit after the point below ten."""
    return f"{value * 100:.1f} %" if 0 < value < 0.0995 else f"{value * 100:.0f} %"


def share(part: object, whole: object) -> str:
    """What percentage a part is of the whole; blank where one of them is unknown."""
    if not isinstance(part, int | float) or not isinstance(whole, int | float) or not whole:
        return ""
    return percent(part / whole)


def duration(seconds: float) -> str:
    """Seconds in the two units that matter."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {rest} s"


def dollars(seconds: float, hour_price: float) -> str:
    """What so many seconds cost, in USD."""
    return f"${seconds / 3600 * hour_price:,.2f}"


def signed(value: float) -> str:
    """A difference with its sign."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def span(found: Interval) -> str:
    """The bounds of a difference's interval."""
    return f"{signed(found.low)} to {signed(found.high)}"


def interval(found: Interval | None, metric: str) -> Cell:
    """A mean with its interval below it; blank where there is none."""
    if found is None:
        return Cell("")
    if metric in SHARES:
        return Cell(percent(found.value), f"{percent(found.low)} – {percent(found.high)}")
    return Cell(f"{found.value:.3f}", f"{found.low:.3f} – {found.high:.3f}")


def cut(text: str, characters: int) -> str:
    """A text on one line, or its beginning where it is longer than that."""
    text = " ".join(text.split())
    return text if len(text) <= characters else text[:characters].rstrip() + " …"
