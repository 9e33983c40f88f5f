"""What the figures of a run allow one to say: comparisons on the same questions, and the sentences that they carry.

A sentence calls one model better than another only where the 95 % interval of the difference, question by question,
excludes zero. Two models that answered the same questions are compared by that difference, not by whether their own
intervals overlap: it sees much smaller effects.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.quality.metrics import Interval, bootstrap
from jobs.report.document import Card, Tone
from jobs.report.history import FIRST_SHARD, HELD_OUT, History, Stage
from jobs.report.wording import (
    baseline_label,
    dollars,
    duration,
    lower_first,
    percent,
    reason_label,
    signed,
    span,
    stage_label,
)

FEW_QUESTIONS, MOSTLY = 30, 0.5


@dataclass(frozen=True)
class Comparison:
    """`after` minus `before`, on the questions that both answered. `better` is None where the figures do not say."""

    before: Stage
    after: Stage
    group: str
    metric: str
    questions: int
    difference: Interval
    better: bool | None


def compare(before: Stage, after: Stage, group: str, metric: str, seed: int) -> Comparison | None:
    """The mean difference with its 95 % bootstrap interval; None where they share fewer than two questions.

    Lower is better for loss and repetition, higher for ROUGE.
    """
    old, new = _by_question(before, group, metric), _by_question(after, group, metric)
    differences = [new[uid] - old[uid] for uid in old if uid in new]
    if len(differences) < 2:
        return None
    gap = bootstrap(differences, seed)
    better = None if gap.low <= 0 <= gap.high else (gap.low > 0) == metric.startswith("rouge")
    return Comparison(before, after, group, metric, len(differences), gap, better)


def stage_of(history: History, shard: int | None, retrieval: bool) -> Stage | None:
    """The stage after a shard (None: the base model), without or with retrieval; None where it was not evaluated."""
    return next((stage for stage in history.stages if stage.shard == shard and stage.retrieval == retrieval), None)


def last_stage(history: History, retrieval: bool) -> Stage | None:
    """The last trained stage that was evaluated, without or with retrieval."""
    found = [stage for stage in history.stages if stage.shard is not None and stage.retrieval == retrieval]
    return found[-1] if found else None


def score(stage: Stage | None, metric: str, group: str = HELD_OUT) -> Interval | None:
    """A stage's score in a group, or None."""
    found = stage.groups.get(group) if stage else None
    return found.scores.get(metric) if found else None


def baselines(history: History) -> dict[str, Mapping[str, Interval]]:
    """The baselines of all stages by name: only a stage with retrieval knows the nearest neighbour."""
    return {name: scores for stage in history.stages for name, scores in stage.baselines.items()}


def training_seconds(history: History) -> float | None:
    """The seconds of all trained shards; None where one did not report them."""
    seconds = [shard.seconds for shard in history.shards]
    return None if None in seconds else sum(value for value in seconds if value is not None)


def verdict(history: History, seed: int) -> str:
    """The one sentence to read: is the trained model better than the base model?"""
    base, last = stage_of(history, None, False), last_stage(history, False)
    if base is None or last is None:
        return "Nothing is compared yet: the base model and a trained one have to be evaluated first."
    found = {
        name: compare(base, last, HELD_OUT, metric, seed) for name, metric in (("ROUGE-L", "rougeL"), ("loss", "loss"))
    }
    outcomes = {name: item.better for name, item in found.items() if item is not None}
    better = [name for name, outcome in outcomes.items() if outcome is True]
    worse = [name for name, outcome in outcomes.items() if outcome is False]
    if not outcomes:
        return "Nothing is compared: the base model and the trained one did not answer the same held-out questions."
    if better and worse:
        return f"Mixed: the trained model is better than the base model in {better[0]} and worse in {worse[0]}."
    if not better and not worse:
        return "The held-out questions show no difference between the trained model and the base model."
    word, names = ("better", better) if better else ("worse", worse)
    unclear = [name for name, outcome in outcomes.items() if outcome is None]
    rest = f" in {names[0]}; {unclear[0]} shows no clear difference" if unclear else ""
    return f"The trained model is {word} than the base model{rest}."


def summary(history: History, seed: int) -> list[str]:
    """What to know next, in plain sentences."""
    base, last = stage_of(history, None, False), last_stage(history, False)
    retrieved = last_stage(history, True)
    found = _unfinished(history, last)
    if base is not None and last is not None:
        found += _quality_sentence(compare(base, last, HELD_OUT, "rougeL", seed))
    if last is not None and retrieved is not None:
        found += _retrieval_sentence(compare(last, retrieved, HELD_OUT, "rougeL", seed))
    final = retrieved or last
    if final is not None:
        found += _baseline_sentence(final, baselines(history)) + _flagged_sentence(final, base)
    return found + _forgetting_sentence(history, seed)


def cards(history: History, seed: int, gpu_hour_price: float) -> list[Card]:
    """The figures that are seen first."""
    found = [
        _quality_card(history, "rougeL", "ROUGE-L, held out", seed),
        _quality_card(history, "loss", "Loss, held out", seed),
        _forgetting_card(history, seed),
        _clean_card(history),
        _batch_card(history),
        _cost_card(history, gpu_hour_price),
    ]
    return [card for card in found if card is not None]


def _quality_card(history: History, metric: str, name: str, seed: int) -> Card | None:
    base, last = stage_of(history, None, False), last_stage(history, False)
    old, new = score(base, metric), score(last, metric)
    if base is None or last is None or old is None or new is None:
        return None
    found = compare(base, last, HELD_OUT, metric, seed)
    return Card(
        name,
        f"{old.value:.3f} → {new.value:.3f}",
        _short_verdict(found, "better than base", "worse than base", "no clear difference from base"),
        _tone(found),
    )


def _forgetting_card(history: History, seed: int) -> Card | None:
    found = _forgetting(history, seed)
    if found is None:
        return None
    old, new = score(found.before, "loss", FIRST_SHARD), score(found.after, "loss", FIRST_SHARD)
    if old is None or new is None:
        return None
    return Card(
        "Loss on the first shard, then and now",
        f"{old.value:.3f} → {new.value:.3f}",
        _short_verdict(found, "not forgotten", "forgetting", "no clear forgetting"),
        _tone(found),
    )


def _clean_card(history: History) -> Card | None:
    stage = last_stage(history, True) or last_stage(history, False)
    flagged, base = score(stage, "flagged"), score(stage_of(history, None, False), "flagged")
    if stage is None or flagged is None:
        return None
    detail = lower_first(stage_label(stage))
    if base is None:
        return Card("Answers flagged", percent(flagged.value), detail)
    worse = flagged.low > base.high or flagged.low >= MOSTLY
    tone: Tone = "bad" if worse else "good" if flagged.high < base.low else "plain"
    return Card("Answers flagged", f"{percent(base.value)} → {percent(flagged.value)}", f"base model → {detail}", tone)


def _batch_card(history: History) -> Card | None:
    figures = history.batch_figures
    if not figures or not figures.get("products"):
        return None
    published, products = int(figures.get("published", 0)), int(figures["products"])
    detail = f"{percent(published / products)}; {int(figures.get('flagged', 0)):,} flagged, {int(figures.get('failed', 0)):,} failed"
    return Card("Descriptions published", f"{published:,} of {products:,}", detail)


def _cost_card(history: History, gpu_hour_price: float) -> Card | None:
    seconds = training_seconds(history)
    if seconds is None:
        return None
    if gpu_hour_price <= 0:
        return Card("Training took", duration(seconds), "no price given: --gpu-hour-price")
    return Card(
        "Training cost",
        dollars(seconds, gpu_hour_price),
        f"{duration(seconds)} at ${gpu_hour_price:,.2f} an hour",
    )


def _forgetting(history: History, seed: int) -> Comparison | None:
    stages = [stage for stage in history.stages if stage.shard is not None and not stage.retrieval]
    if len(stages) < 2:
        return None
    return compare(stages[0], stages[-1], FIRST_SHARD, "loss", seed)


def _unfinished(history: History, last: Stage | None) -> list[str]:
    trained, total = len(history.shards), history.data.shards
    evaluated = 0 if last is None or last.shard is None else last.shard + 1
    found = [] if trained >= total else [f"The run is not finished: {trained:,} of {total:,} shards are trained."]
    if evaluated < trained:
        found.append(f"Evaluated so far: the model after {evaluated:,} of the {trained:,} shards trained.")
    return found


def _quality_sentence(found: Comparison | None) -> list[str]:
    """One comparison in ROUGE-L on the held-out questions, said with no more certainty than it has."""
    if found is None:
        return []
    few = "" if found.questions >= FEW_QUESTIONS else " So few questions give rough intervals."
    return [f"ROUGE-L on {found.questions:,} held-out questions: {_change(found)}.{few}"]


def _retrieval_sentence(found: Comparison | None) -> list[str]:
    if found is None:
        return []
    words = {True: "Retrieval helps", False: "Retrieval hurts", None: "Retrieval makes no clear difference"}[
        found.better
    ]
    return [f"{words}: {_change(found)}."]


def _change(found: Comparison) -> str:
    old, new = (score(stage, found.metric, found.group) for stage in (found.before, found.after))
    values = f"{old.value:.3f} → {new.value:.3f}, " if old and new else ""
    return f"{values}a difference of {signed(found.difference.value)} (95 % interval {span(found.difference)})"


def _baseline_sentence(stage: Stage, known: Mapping[str, Mapping[str, Interval]]) -> list[str]:
    own = score(stage, "rougeL")
    found = [(name, scores["rougeL"]) for name, scores in known.items() if "rougeL" in scores]
    if own is None or not found:
        return []
    name, best = max(found, key=lambda item: item[1].value)
    words = f"the best baseline ({lower_first(baseline_label(name))}) scores {best.value:.3f}"
    who = f"The model {lower_first(stage_label(stage))} ({own.value:.3f})"
    if own.low > best.high:
        return [f"{who} beats the baselines: {words}."]
    if own.high < best.low:
        return [f"{who} does not reach the baselines: {words}."]
    return [f"{who} is not shown to beat the baselines: {words}, and the intervals overlap."]


def _flagged_sentence(stage: Stage, base: Stage | None) -> list[str]:
    own, before = score(stage, "flagged"), score(base, "flagged")
    if own is None:
        return []
    than = f" (base model: {percent(before.value)})" if before else ""
    asked = zip(stage.answers["group"].to_pylist(), stage.answers["flags"].to_pylist(), strict=True)
    reasons = Counter(flag for group, flags in asked if group == HELD_OUT for flag in flags or [])
    most = f", most often for this reason: {reason_label(reasons.most_common(1)[0][0])}" if reasons else ""
    return [f"Of the held-out answers {lower_first(stage_label(stage))}, {percent(own.value)} are flagged{than}{most}."]


def _forgetting_sentence(history: History, seed: int) -> list[str]:
    found = _forgetting(history, seed)
    if found is None:
        return []
    words = {
        True: "The first shard is not forgotten: the loss on its products fell since it was trained",
        False: "The model is forgetting: the loss on the first shard's products rose since it was trained",
        None: "No sign of forgetting: the loss on the first shard's products shows no clear change since it was trained",
    }[found.better]
    return [f"{words}, {_change(found)}."]


def _tone(found: Comparison | None) -> Tone:
    if found is None or found.better is None:
        return "plain"
    return "good" if found.better else "bad"


def _short_verdict(found: Comparison | None, better: str, worse: str, undecided: str) -> str:
    if found is None:
        return "the same questions were not asked"
    words = {True: better, False: worse, None: undecided}[found.better]
    return f"{words} ({span(found.difference)})"


def _by_question(stage: Stage, group: str, metric: str) -> dict[str, float]:
    columns: Sequence[list[object]] = [stage.answers[name].to_pylist() for name in ("group", "uid", metric)]
    return {
        str(uid): float(value)
        for found, uid, value in zip(*columns, strict=True)
        if found == group and isinstance(value, float) and not math.isnan(value)
    }
