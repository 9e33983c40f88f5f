"""Sentences about the figures of a run.

A sentence calls one model better than another only if the 95 % interval of the difference excludes zero, the sign-flip test gives
a p-value below `MAX_P_VALUE`, and there are at least `MIN_QUESTIONS` questions.
"""

from collections import Counter
from collections.abc import Mapping

from jobs.quality.metrics import Interval
from jobs.report.comparisons import (
    MIN_QUESTIONS,
    Comparison,
    base_stage,
    baselines,
    compare,
    compare_first_shard,
    final_stage,
    flagged_before,
    flags_of,
    held_out_answers,
    last_stage,
    score,
    trained_with_neighbours,
)
from jobs.report.history import History, Stage
from jobs.report.wording import baseline_label, counted, lower_first, percent, reason_label, signed, span, stage_label
from jobs.storage import runs
from jobs.storage.layout import QuestionGroup

TOO_FEW = f"These are too few questions for a verdict; at least {MIN_QUESTIONS} are needed."
MAX_REASONS = 3


def verdict(history: History) -> str:
    """Return one sentence that says whether the trained model is better than the base model."""
    base, final = base_stage(history, retrieval=False), final_stage(history)
    if base is None or final is None:
        return "No comparison yet: the base model and a trained model must be evaluated first."
    comparisons = {
        name: compare(base, final, QuestionGroup.HELD_OUT, metric)
        for name, metric in (("ROUGE-L", "rougeL"), ("loss", "loss"))
    }
    known = {name: comparison for name, comparison in comparisons.items() if comparison is not None}
    if not known:
        return "No comparison: the base model and the trained model have fewer than 2 held-out questions in common."
    if all(comparison.too_few for comparison in known.values()):
        most = max(known.values(), key=lambda comparison: comparison.questions)
        near = "" if most.clusters == most.questions else f", {most.clusters:,} of them without near duplicates,"
        return (
            f"No verdict: {most.questions:,} held-out questions{near} are too few to tell whether the trained model is better than the base "
            f"model. At least {MIN_QUESTIONS} are needed, see `skuscribe evaluate --questions`."
        )
    better = [name for name, comparison in known.items() if comparison.better is True]
    worse = [name for name, comparison in known.items() if comparison.better is False]
    if better and worse:
        return f"Mixed: the trained model is better than the base model in {better[0]} and worse in {worse[0]}."
    if not better and not worse:
        return "On the held-out questions, the trained model shows no clear difference from the base model."
    word, names = ("better", better) if better else ("worse", worse)
    unclear = [name for name, comparison in known.items() if comparison.better is None]
    rest = f" in {names[0]}; {unclear[0]} shows no clear difference" if unclear else ""
    return f"The trained model is {word} than the base model{rest}."


def summary(history: History) -> list[str]:
    """Return the sentences below the verdict."""
    base, final = base_stage(history, retrieval=False), final_stage(history)
    last, retrieved = last_stage(history, retrieval=False), last_stage(history, retrieval=True)
    sentences = _unfinished(history, final) + _outdated(history) + _rejected(history) + _nothing_published(history)
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
        verb = "is" if trained == 1 else "are"
        sentences.append(f"The run is not finished: {trained:,} of {counted(total, 'shard')} {verb} trained.")
    if final is not None and final.shard is not None and final.shard + 1 < trained:
        sentences.append(
            f"The verdict is about the model after {final.shard + 1:,} of {counted(trained, 'trained shard')}."
        )
    return sentences


def _outdated(history: History) -> list[str]:
    sentences = []
    if history.outdated_merges:
        sentences.append(f"{runs.describe_outdated_merges(history.run, history.outdated_merges)}.")
    if history.outdated_shards:
        sentences.append(f"{runs.describe_outdated(history.run, history.outdated_shards, history.config)}.")
    return sentences


def _rejected(history: History) -> list[str]:
    if not history.rejected_stages:
        return []
    names = ", ".join(f"`{name}`" for name in history.rejected_stages)
    return [
        f"Left out, because the evaluated model does not belong to run {history.run!r}: {names}. `skuscribe evaluate --run {history.run} "
        f"--catalogue {history.catalogue.name} --model {history.model} --replace` evaluates the models of the run."
    ]


def _nothing_published(history: History) -> list[str]:
    figures = history.batch_figures
    if not figures or not figures.get("products") or figures.get("published"):
        return []
    counts = Counter({reason_label(name): int(number) for name, number in figures.get("reasons", {}).items()})
    named = ", ".join(f"{label} ({number:,})" for label, number in counts.most_common(MAX_REASONS))
    reasons = f" The most frequent reasons: {named}." if named else ""
    return [
        f"None of the {counted(int(figures['products']), 'description')} of batch {history.batch!r} is published.{reasons} A model that "
        "was trained on more products, for more epochs, or from a larger base model may write texts that pass the checks."
    ]


def _quality(comparison: Comparison | None) -> list[str]:
    if comparison is None:
        return []
    few = f" {TOO_FEW}" if comparison.too_few else ""
    return [f"ROUGE-L on {comparison.questions:,} held-out questions: {_change(comparison)}.{few}"]


def _retrieval(comparison: Comparison | None, has_seen_neighbours: bool) -> list[str]:
    if comparison is None:
        return []
    words = {
        True: "Retrieval improves the answers",
        False: "Retrieval makes the answers worse",
        None: "Retrieval makes no clear difference",
    }
    outcome = "ROUGE-L without and with retrieval" if comparison.too_few else words[comparison.better]
    few = f" {TOO_FEW}" if comparison.too_few else ""
    use = (
        ""
        if has_seen_neighbours
        else " The model was trained without neighbours, so `describe` puts none into its prompts."
    )
    return [f"{outcome}: {_change(comparison)}.{few}{use}"]


def _against_baselines(stage: Stage, known: Mapping[str, Mapping[str, Interval]]) -> list[str]:
    own = score(stage, "rougeL")
    scored = [(name, scores["rougeL"]) for name, scores in known.items() if "rougeL" in scores]
    if own is None or not scored:
        return []
    name, best = max(scored, key=lambda entry: entry[1].value)
    baseline = f"the best baseline ({lower_first(baseline_label(name))}), which scores {best.value:.3f}"
    model = f"The model {lower_first(stage_label(stage))} ({own.value:.3f})"
    if len(held_out_answers(stage)) < MIN_QUESTIONS:
        return [f"{model} is not compared with {baseline}. {TOO_FEW}"]
    if own.low > best.high:
        return [f"{model} is better than {baseline}."]
    if own.high < best.low:
        return [f"{model} is worse than {baseline}."]
    return [f"{model} is not clearly better than {baseline}: the intervals overlap."]


def _flagged(stage: Stage, base: Stage | None) -> list[str]:
    own, before = score(stage, "flagged"), flagged_before(base, stage)
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
    if comparison.too_few:
        return [f"Loss on the first shard's products: {_change(comparison)}. {TOO_FEW}"]
    return [f"{words[comparison.better]}, {_change(comparison)}."]


def _change(comparison: Comparison) -> str:
    stages = (comparison.before, comparison.after)
    old, new = (score(stage, comparison.metric, comparison.group) for stage in stages)
    values = f"{old.value:.3f} → {new.value:.3f}, " if old and new else ""
    difference = comparison.difference
    return f"{values}a difference of {signed(difference.value)} (95 % interval {span(difference)})"
