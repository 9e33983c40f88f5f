"""The section that compares the base model with the trained model, with and without retrieval."""

from collections.abc import Sequence

from jobs.report.comparisons import (
    MAX_P_VALUE,
    MIN_QUESTIONS,
    Comparison,
    base_stage,
    baselines,
    compare,
    last_stage,
    score,
)
from jobs.report.document import Block, Cell, Section, Table, Tone
from jobs.report.history import History, Stage
from jobs.report.wording import (
    METRIC_NAMES,
    baseline_label,
    counted_range,
    interval,
    lower_first,
    signed,
    span,
    stage_label,
)
from jobs.storage.layout import QuestionGroup

COMPARED_METRICS = ("rougeL", "loss", "repetition")


def section(history: History) -> Section | None:
    """Return the section, or None if no stage answered held-out questions."""
    candidates = (
        base_stage(history, retrieval=False),
        base_stage(history, retrieval=True),
        last_stage(history, retrieval=False),
        last_stage(history, retrieval=True),
    )
    stages = [stage for stage in candidates if stage is not None and QuestionGroup.HELD_OUT in stage.groups]
    if not stages:
        return None
    differences = _difference_table(stages)
    blocks: list[Block] = [_score_table(history, stages), *([differences] if differences else [])]
    return Section("result", "Base model and trained model", blocks)


def _score_table(history: History, stages: Sequence[Stage]) -> Table:
    questions = [stage.groups[QuestionGroup.HELD_OUT].questions for stage in stages]
    metrics = [metric for metric in METRIC_NAMES if any(score(stage, metric) for stage in stages)]
    rows = [
        [Cell(stage_label(stage)), *(interval(score(stage, metric), metric) for metric in metrics)] for stage in stages
    ]
    rows += [
        [Cell(baseline_label(name), "baseline"), *(interval(scores.get(metric), metric) for metric in metrics)]
        for name, scores in baselines(history).items()
    ]
    return Table(
        f"Mean over {counted_range(questions, 'held-out question')} with its 95 % interval. Higher is better for ROUGE, lower for loss (nats "
        "per token), repetition and flagged.",
        ["", *(METRIC_NAMES[metric] for metric in metrics)],
        rows,
    )


def _difference_table(stages: Sequence[Stage]) -> Table | None:
    """Return the differences of each stage from the first, and of retrieval from none for the same model."""
    first, *others = stages
    pairs = [(first, stage) for stage in others]
    pairs += [
        (before, after)
        for before in others
        for after in others
        if before.shard == after.shard and after.retrieval and not before.retrieval
    ]
    rows = [
        [
            Cell(stage_label(after), f"compared with {lower_first(stage_label(before))}"),
            *(_difference(compare(before, after, QuestionGroup.HELD_OUT, metric)) for metric in COMPARED_METRICS),
        ]
        for before, after in pairs
    ]
    if not rows:
        return None
    return Table(
        "Difference on the same questions with its 95 % interval. A difference is clear if its interval does not include zero, "
        f"a sign-flip test gives p < {MAX_P_VALUE:g}, and there are at least {MIN_QUESTIONS} questions.",
        ["", *(METRIC_NAMES[metric] for metric in COMPARED_METRICS)],
        rows,
    )


def _difference(comparison: Comparison | None) -> Cell:
    if comparison is None:
        return Cell("")
    difference, better = comparison.difference, comparison.better
    unclear = "too few questions" if comparison.too_few else "no clear difference"
    words = unclear if better is None else "better" if better else "worse"
    tone: Tone = "plain" if better is None else "good" if better else "bad"
    return Cell(f"{signed(difference.value)} {words}", span(difference), tone)
