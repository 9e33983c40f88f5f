"""The cards at the top of a report: the most important figures."""

from jobs.process.durations import duration
from jobs.report.comparisons import (
    Comparison,
    base_stage,
    compare,
    compare_first_shard,
    final_stage,
    flagged_before,
    score,
)
from jobs.report.document import Card, Tone
from jobs.report.history import History
from jobs.report.wording import dollars, lower_first, percent, span, stage_label
from jobs.storage.layout import QuestionGroup

BAD_FLAGGED_SHARE = 0.5


def cards(history: History, gpu_hour_price: float) -> list[Card]:
    """Return the cards whose figures are known. The price is in USD, 0 if it is unknown."""
    known = [
        _quality_card(history, "rougeL", "ROUGE-L, held out"),
        _quality_card(history, "loss", "Loss, held out"),
        _forgetting_card(history),
        _flagged_card(history),
        _batch_card(history),
        _cost_card(history, gpu_hour_price),
    ]
    return [card for card in known if card is not None]


def _quality_card(history: History, metric: str, label: str) -> Card | None:
    base, final = base_stage(history, retrieval=False), final_stage(history)
    old, new = score(base, metric), score(final, metric)
    if base is None or final is None or old is None or new is None:
        return None
    comparison = compare(base, final, QuestionGroup.HELD_OUT, metric)
    outcome = _verdict(comparison, "better", "worse", "no clear difference")
    detail = f"base model → {lower_first(stage_label(final))}: {outcome}"
    return Card(label, f"{old.value:.3f} → {new.value:.3f}", detail, _tone(comparison))


def _forgetting_card(history: History) -> Card | None:
    comparison = compare_first_shard(history)
    if comparison is None:
        return None
    old, new = (score(stage, "loss", comparison.group) for stage in (comparison.before, comparison.after))
    if old is None or new is None:
        return None
    return Card(
        "First-shard loss, after its training and now",
        f"{old.value:.3f} → {new.value:.3f}",
        _verdict(comparison, "no forgetting", "forgetting", "no clear forgetting"),
        _tone(comparison),
    )


def _flagged_card(history: History) -> Card | None:
    stage = final_stage(history)
    flagged = score(stage, "flagged")
    if stage is None or flagged is None:
        return None
    base = flagged_before(base_stage(history, retrieval=False), stage)
    detail = lower_first(stage_label(stage))
    if base is None:
        return Card("Answers flagged", percent(flagged.value), detail)
    bad = flagged.low > base.high or flagged.low >= BAD_FLAGGED_SHARE
    tone: Tone = "bad" if bad else "good" if flagged.high < base.low else "plain"
    return Card("Answers flagged", f"{percent(base.value)} → {percent(flagged.value)}", f"base model → {detail}", tone)


def _batch_card(history: History) -> Card | None:
    figures = history.batch_figures
    if not figures or not figures.get("products"):
        return None
    published, flagged, failed = (int(figures.get(name, 0)) for name in ("published", "flagged", "failed"))
    products = int(figures["products"])
    detail = f"{percent(published / products)}; {flagged:,} flagged, {failed:,} failed"
    return Card("Descriptions published", f"{published:,} of {products:,}", detail, "plain" if published else "bad")


def _cost_card(history: History, gpu_hour_price: float) -> Card | None:
    seconds = history.training_seconds
    if seconds is None:
        return None
    counted = "steps and validation" if history.shards_at_once == 1 else "steps and validation of all shards"
    if gpu_hour_price <= 0:
        return Card("Training time", duration(seconds), f"{counted}; set --gpu-hour-price for the cost")
    detail = f"{duration(seconds)} of {counted} at ${gpu_hour_price:,.2f} per hour"
    return Card("Training cost", dollars(seconds, gpu_hour_price), detail)


def _verdict(comparison: Comparison | None, better: str, worse: str, unclear: str) -> str:
    if comparison is None:
        return "fewer than 2 questions in common"
    words = (
        "too few questions" if comparison.too_few else {True: better, False: worse, None: unclear}[comparison.better]
    )
    return f"{words} ({span(comparison.difference)})"


def _tone(comparison: Comparison | None) -> Tone:
    if comparison is None or comparison.better is None:
        return "plain"
    return "good" if comparison.better else "bad"
