"""Sentences about the figures of a run.

A sentence calls one model better than another only if the 95 % interval of the difference excludes zero.
"""

from collections import Counter
from collections.abc import Mapping

from jobs.quality.metrics import Interval
from jobs.report.comparisons import (
    Comparison,
    base_stage,
    baselines,
    compare,
    compare_first_shard,
    final_stage,
    flags_of,
    held_out_answers,
    last_stage,
    score,
    trained_with_neighbours,
)
from jobs.report.history import History, Stage
from jobs.report.wording import baseline_label, lower_first, percent, reason_label, signed, span, stage_label
from jobs.storage.layout import QuestionGroup

FEW_QUESTIONS = 30


def verdict(history: History) -> str:
    """Return one sentence that says whether the trained model is better than the base model."""
    base, final = base_stage(history, retrieval=False), final_stage(history)
    if base is None or final is None:
        return "No comparison yet: the base model and a trained model must be evaluated first."
    comparisons = {
        name: compare(base, final, QuestionGroup.HELD_OUT, metric)
        for name, metric in (("ROUGE-L", "rougeL"), ("loss", "loss"))
    }
    outcomes = {name: comparison.better for name, comparison in comparisons.items() if comparison is not None}
    better = [name for name, outcome in outcomes.items() if outcome is True]
    worse = [name for name, outcome in outcomes.items() if outcome is False]
    if not outcomes:
        return "No comparison: the base model and the trained model have no held-out questions in common."
    if better and worse:
        return f"Mixed: the trained model is better than the base model in {better[0]} and worse in {worse[0]}."
    if not better and not worse:
        return "On the held-out questions, the trained model shows no clear difference from the base model."
    word, names = ("better", better) if better else ("worse", worse)
    unclear = [name for name, outcome in outcomes.items() if outcome is None]
    rest = f" in {names[0]}; {unclear[0]} shows no clear difference" if unclear else ""
    return f"The trained model is {word} than the base model{rest}."


def summary(history: History) -> list[str]:
    """Return the sentences below the verdict."""
    base, final = base_stage(history, retrieval=False), final_stage(history)
    last, retrieved = last_stage(history, retrieval=False), last_stage(history, retrieval=True)
    sentences = _unfinished(history, final) + _rejected(history)
    if base is not None and final is not None:
        sentences += _quality(compare(base, final, QuestionGroup.HELD_OUT, "rougeL"))
    if last is not None and retrieved is not None:
        comparison = compare(last, retrieved, QuestionGroup.HELD_OUT, "rougeL")
        sentences += _retrieval(comparison, trained_with_neighbours(history))
    if final is not None:
        sentences += _against_baselines(final, baselines(history)) + _flagged(final, base)
    return sentences + _forgetting(compare_first_shard(history))


def _unfinished(history: History, final: Stage | None) -> list[str]:
    trained, total = len(history.shards), history.planned_shards
    sentences = []
    if trained < total:
        sentences.append(f"The run is not finished: {trained:,} of {total:,} shards are trained.")
    if final is not None and final.shard is not None and final.shard + 1 < trained:
        sentences.append(f"The verdict is about the model after {final.shard + 1:,} of {trained:,} trained shards.")
    return sentences


def _rejected(history: History) -> list[str]:
    if not history.rejected_stages:
        return []
    names = ", ".join(f"`{name}`" for name in history.rejected_stages)
    return [
        f"Evaluated with a model that is not of run {history.run!r}, and left out: {names}. `skuscribe evaluate --run {history.run} "
        f"--catalogue {history.catalogue.name} --model {history.model} --replace` evaluates the models of the run."
    ]


def _quality(comparison: Comparison | None) -> list[str]:
    if comparison is None:
        return []
    few = "" if comparison.questions >= FEW_QUESTIONS else " With this few questions, the interval is rough."
    return [f"ROUGE-L on {comparison.questions:,} held-out questions: {_change(comparison)}.{few}"]


def _retrieval(comparison: Comparison | None, trained_with_neighbours: bool) -> list[str]:
    if comparison is None:
        return []
    words = {
        True: "Retrieval improves the answers",
        False: "Retrieval makes the answers worse",
        None: "Retrieval makes no clear difference",
    }
    use = "" if trained_with_neighbours else " It was trained without neighbours, so `describe` shows it none."
    return [f"{words[comparison.better]}: {_change(comparison)}.{use}"]


def _against_baselines(stage: Stage, known: Mapping[str, Mapping[str, Interval]]) -> list[str]:
    own = score(stage, "rougeL")
    scored = [(name, scores["rougeL"]) for name, scores in known.items() if "rougeL" in scores]
    if own is None or not scored:
        return []
    name, best = max(scored, key=lambda entry: entry[1].value)
    baseline = f"the best baseline ({lower_first(baseline_label(name))}), which scores {best.value:.3f}"
    model = f"The model {lower_first(stage_label(stage))} ({own.value:.3f})"
    if own.low > best.high:
        return [f"{model} is better than {baseline}."]
    if own.high < best.low:
        return [f"{model} is worse than {baseline}."]
    return [f"{model} is not clearly better than {baseline}: the intervals overlap."]


def _flagged(stage: Stage, base: Stage | None) -> list[str]:
    own, before = score(stage, "flagged"), score(base, "flagged")
    if own is None:
        return []
    than = f" (base model: {percent(before.value)})" if before else ""
    reasons = Counter(flag for answer in held_out_answers(stage).values() for flag in flags_of(answer))
    most = f". The most frequent reason: {reason_label(reasons.most_common(1)[0][0])}" if reasons else ""
    return [f"{stage_label(stage)}, {percent(own.value)} of the held-out answers are flagged{than}{most}."]


def _forgetting(comparison: Comparison | None) -> list[str]:
    if comparison is None:
        return []
    words = {
        True: "No forgetting: the loss on the first shard's products has fallen since the model was trained on it",
        False: "Forgetting: the loss on the first shard's products has risen since the model was trained on it",
        None: "No clear forgetting: the loss on the first shard's products has not clearly changed since the model was trained on it",
    }
    return [f"{words[comparison.better]}, {_change(comparison)}."]


def _change(comparison: Comparison) -> str:
    stages = (comparison.before, comparison.after)
    old, new = (score(stage, comparison.metric, comparison.group) for stage in stages)
    values = f"{old.value:.3f} → {new.value:.3f}, " if old and new else ""
    difference = comparison.difference
    return f"{values}a difference of {signed(difference.value)} (95 % interval {span(difference)})"
