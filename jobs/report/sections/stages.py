"""The section that shows the scores of every stage."""

from collections import Counter
from collections.abc import Sequence

from jobs.report import charts
from jobs.report.charts import Level, Line
from jobs.report.comparisons import baselines, flags_of, held_out_answers, score, stages_side_by_side
from jobs.report.document import Block, Cell, Chart, Charts, Section, Table, Text
from jobs.report.history import History, Stage
from jobs.report.wording import (
    INVENTED_AND_COPIED,
    METRIC_NAMES,
    SHARES,
    baseline_label,
    counted,
    interval,
    reason_label,
    share,
    stage_label,
)
from jobs.storage.layout import QuestionGroup

GROUP_NAMES = {
    QuestionGroup.HELD_OUT: "Held out",
    QuestionGroup.OWN_SHARD: "Own shard",
    QuestionGroup.FIRST_SHARD: "First shard",
}
TABLE_METRICS = ("rougeL", "loss", "flagged")
CHARTS = (
    ("held-out-rouge", "rougeL", QuestionGroup.HELD_OUT, "Held-out products: ROUGE-L"),
    ("held-out-loss", "loss", QuestionGroup.HELD_OUT, "Held-out products: loss"),
    ("first-shard-rouge", "rougeL", QuestionGroup.FIRST_SHARD, "Products of the first shard: ROUGE-L"),
    ("first-shard-loss", "loss", QuestionGroup.FIRST_SHARD, "Products of the first shard: loss"),
    ("flagged", "flagged", QuestionGroup.HELD_OUT, "Held-out products: answers flagged"),
    ("repetition", "repetition", QuestionGroup.HELD_OUT, "Held-out products: repeated word 3-grams"),
)


def section(history: History) -> Section | None:
    """Return the section, or None if no trained stage is evaluated."""
    if not any(stage.shard is not None for stage in history.stages):
        return None
    drawn = [_chart(history, *chart) for chart in CHARTS]
    text = (
        "Points are means, bands and bars are 95 % intervals. The base model is at 0 shards trained. If the model learns, ROUGE-L "
        "rises and loss falls. If it forgets, the scores on the first shard's products get worse while it trains on later "
        "shards."
    )
    blocks: list[Block] = [Text(text), Charts([chart for chart in drawn if chart is not None]), _score_table(history)]
    reasons = _reason_table(history)
    blocks += [reasons] if reasons else []
    return Section("stages", "Stage by stage", blocks)


def _chart(history: History, name: str, metric: str, group: QuestionGroup, title: str) -> Chart | None:
    scored = [stage for stage in history.stages if score(stage, metric, group)]
    plain = [stage for stage in scored if not stage.retrieval]
    retrieved = [stage for stage in scored if stage.retrieval]
    if not plain:
        return None
    lines = [_line("Without retrieval", plain, metric, group, "blue", "o")]
    lines += [_line("With retrieval", retrieved, metric, group, "orange", "D", joined=False)] if retrieved else []
    levels = _baseline_levels(history, metric) if group == QuestionGroup.HELD_OUT else []
    first, last = lines[0].y[0], lines[0].y[-1]
    description = f"{title}: {METRIC_NAMES[metric]} from {first:.3f} to {last:.3f} over {counted(len(plain), 'stage')}."
    svg = charts.line_chart(
        name, description, "shards trained", METRIC_NAMES[metric], lines, levels, share=metric in SHARES
    )
    return Chart(title, "Higher is better." if metric.startswith("rouge") else "Lower is better.", svg)


def _line(
    label: str,
    stages: Sequence[Stage],
    metric: str,
    group: QuestionGroup,
    colour: str,
    marker: str,
    joined: bool = True,
) -> Line:
    scores = [value for stage in stages if (value := score(stage, metric, group))]
    return Line(
        label,
        [0 if stage.shard is None else stage.shard + 1 for stage in stages],
        [interval.value for interval in scores],
        colour,
        [interval.low for interval in scores],
        [interval.high for interval in scores],
        marker=marker,
        joined=joined,
    )


def _baseline_levels(history: History, metric: str) -> list[Level]:
    known = baselines(history) if metric.startswith("rouge") else {}
    return [
        Level(baseline_label(name), scores[metric].value, colour)
        for (name, scores), colour in zip(known.items(), ("grey", "green"), strict=False)
        if metric in scores
    ]


def _score_table(history: History) -> Table:
    metrics = [metric for metric in TABLE_METRICS if any(score(stage, metric) for stage in history.stages)]
    groups = [group for group in GROUP_NAMES if any(group in stage.groups for stage in history.stages)]
    rows = [
        [
            Cell(stage_label(stage)),
            *(interval(score(stage, metric, group), metric) for group in groups for metric in metrics),
        ]
        for stage in history.stages
    ]
    return Table(
        "Every stage in every group of questions, with 95 % intervals. Own shard: test products of the last shard that the "
        "model was trained on; for the base model, of the first shard.",
        ["", *(METRIC_NAMES[metric] for _ in groups for metric in metrics)],
        rows,
        groups=[("", 1), *((GROUP_NAMES[group], len(metrics)) for group in groups)],
    )


def _reason_table(history: History) -> Table | None:
    """Return the reasons for flagging held-out answers, or None if no answer is flagged."""
    stages = stages_side_by_side(history)
    answers = [list(held_out_answers(stage).values()) for stage in stages]
    counts = [Counter(flag for answer in stage_answers for flag in flags_of(answer)) for stage_answers in answers]
    reasons = [reason for reason, _ in sum(counts, Counter[str]()).most_common()]
    if not reasons:
        return None
    rows = [
        [
            Cell(reason_label(reason)),
            *(Cell(share(count[reason], len(total))) for count, total in zip(counts, answers, strict=True)),
        ]
        for reason in reasons
    ]
    return Table(
        f"Reasons for flagging held-out answers, as a share of all answers. An answer can have several. {INVENTED_AND_COPIED}",
        ["Reason", *(stage_label(stage) for stage in stages)],
        rows,
    )
