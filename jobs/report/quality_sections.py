"""What the model does: base against trained, stage by stage, the same questions side by side."""

from collections import Counter
from collections.abc import Sequence

from jobs.report import charts, findings
from jobs.report.charts import Level, Line
from jobs.report.document import Answer, Block, Cell, Chart, Charts, Question, Section, Table, Text
from jobs.report.findings import score
from jobs.report.history import FIRST_SHARD, HELD_OUT, OWN_SHARD, History, Stage
from jobs.report.wording import (
    METRIC_NAMES,
    SHARES,
    baseline_label,
    cut,
    interval,
    number,
    reason_label,
    share,
    signed,
    span,
    stage_label,
)

GROUP_NAMES = {HELD_OUT: "Held out", OWN_SHARD: "Own shard", FIRST_SHARD: "First shard"}
TITLE_CHARACTERS, TEXT_CHARACTERS = 200, 700


def result(history: History, seed: int) -> Section | None:
    """Base against trained, with and without retrieval, and the baselines."""
    chosen = [
        stage
        for stage in (
            findings.stage_of(history, None, False),
            findings.stage_of(history, None, True),
            findings.last_stage(history, False),
            findings.last_stage(history, True),
        )
        if stage is not None and HELD_OUT in stage.groups
    ]
    if not chosen:
        return None
    questions = chosen[0].groups[HELD_OUT].questions
    columns = [name for name in METRIC_NAMES if any(score(stage, name) for stage in chosen)]
    rows = [[Cell(stage_label(stage)), *(interval(score(stage, name), name) for name in columns)] for stage in chosen]
    rows += [
        [Cell(baseline_label(name), "baseline"), *(interval(found.get(metric), metric) for metric in columns)]
        for name, found in findings.baselines(history).items()
    ]
    table = Table(
        f"Mean over {questions:,} held-out questions, with its 95 % interval. ROUGE: higher is better; "
        "loss (nats a token), repetition and flagged: lower is better.",
        ["", *(METRIC_NAMES[name] for name in columns)],
        rows,
    )
    return Section("result", "Base against trained", [table, *_differences(chosen, seed)])


def stages(history: History) -> Section | None:
    """Held-out scores after each shard, and the first shard's."""
    if not any(stage.shard is not None for stage in history.stages):
        return None
    drawn = [
        _stage_chart(history, "held-out-rouge", "rougeL", HELD_OUT, "Held-out products: ROUGE-L"),
        _stage_chart(history, "held-out-loss", "loss", HELD_OUT, "Held-out products: loss"),
        _stage_chart(history, "first-shard-rouge", "rougeL", FIRST_SHARD, "Forgetting? The first shard: ROUGE-L"),
        _stage_chart(history, "first-shard-loss", "loss", FIRST_SHARD, "Forgetting? The first shard: loss"),
        _stage_chart(history, "flagged", "flagged", HELD_OUT, "Clean text? Answers flagged"),
        _stage_chart(history, "repetition", "repetition", HELD_OUT, "Clean text? Repeated word triples"),
    ]
    text = (
        "Points are means, bands and bars their 95 % intervals; 0 shards trained is the base model. A model that learns "
        "rises in ROUGE-L and falls in loss. One that forgets gets worse on the first shard's products while later shards "
        "are trained."
    )
    blocks: list[Block] = [Text(text), Charts([chart for chart in drawn if chart is not None]), _stage_table(history)]
    reasons = _reason_table(history)
    blocks += [reasons] if reasons else []
    return Section("stages", "Stage by stage", blocks)


def questions(history: History, count: int) -> Section | None:
    """The same held-out questions at chosen stages."""
    chosen = _readable_stages(history)
    if not chosen or not count:
        return None
    answers = [_held_out_answers(stage) for stage in chosen]
    uids = [uid for uid in answers[0] if all(uid in found for found in answers)][:count]
    blocks: list[Block] = [
        Text(
            f"The first {len(uids)} held-out questions, not picked by hand. The number beside an answer is its ROUGE-L "
            "against the seller's text; a reason stands where an answer was flagged."
        )
    ]
    for uid in uids:
        first = answers[0][uid]
        shown = [_answer(stage_label(stage), found[uid]) for stage, found in zip(chosen, answers, strict=True)]
        blocks.append(
            Question(cut(str(first["title"]), TITLE_CHARACTERS), cut(str(first["reference"]), TEXT_CHARACTERS), shown)
        )
    return Section("questions", "The same questions", blocks)


def _differences(chosen: Sequence[Stage], seed: int) -> list[Block]:
    """Every later of the chosen stages against the first, and retrieval against none, question by question."""
    pairs = [(chosen[0], stage) for stage in chosen[1:]]
    pairs += [
        (a, b)
        for a in chosen
        for b in chosen
        if a.shard == b.shard and b.retrieval and not a.retrieval and a is not chosen[0]
    ]
    rows = []
    for before, after in pairs:
        compared = [
            findings.compare(before, after, HELD_OUT, metric, seed) for metric in ("rougeL", "loss", "repetition")
        ]
        cells = [_difference(item) for item in compared]
        rows.append([Cell(stage_label(after), f"against {stage_label(before).lower()}"), *cells])
    if not rows:
        return []
    return [
        Table(
            "Difference on the same questions, with its 95 % interval. An interval on one side of zero is a difference; one "
            "across zero is none that these questions can show.",
            ["", "ROUGE-L", "Loss", "Repetition"],
            rows,
        )
    ]


def _difference(found: findings.Comparison | None) -> Cell:
    if found is None:
        return Cell("")
    words = "no clear difference" if found.better is None else "better" if found.better else "worse"
    gap = found.difference
    return Cell(
        f"{signed(gap.value)} {words}",
        span(gap),
        "plain" if found.better is None else "good" if found.better else "bad",
    )


def _stage_chart(history: History, name: str, metric: str, group: str, title: str) -> Chart | None:
    plain = [stage for stage in history.stages if not stage.retrieval and score(stage, metric, group)]
    retrieved = [stage for stage in history.stages if stage.retrieval and score(stage, metric, group)]
    if not plain:
        return None
    lines = [_stage_line("Without retrieval", plain, metric, group, "blue", "o")]
    lines += [_stage_line("With retrieval", retrieved, metric, group, "orange", "D", joined=False)] if retrieved else []
    found = findings.baselines(history) if group == HELD_OUT and metric.startswith("rouge") else {}
    levels = [
        Level(baseline_label(key), scores[metric].value, colour)
        for (key, scores), colour in zip(found.items(), ("grey", "green"), strict=False)
        if metric in scores
    ]
    first, last = lines[0].y[0], lines[0].y[-1]
    description = f"{title}: {METRIC_NAMES[metric]} goes from {first:.3f} to {last:.3f} over {len(plain)} stages."
    svg = charts.line_chart(
        name, description, "shards trained", METRIC_NAMES[metric], lines, levels, share=metric in SHARES
    )
    return Chart(title, "Higher is better." if metric.startswith("rouge") else "Lower is better.", svg)


def _stage_line(
    name: str, found: Sequence[Stage], metric: str, group: str, colour: str, marker: str, joined: bool = True
) -> Line:
    scores = [value for stage in found if (value := score(stage, metric, group))]
    return Line(
        name,
        [0 if stage.shard is None else stage.shard + 1 for stage in found],
        [item.value for item in scores],
        colour,
        [item.low for item in scores],
        [item.high for item in scores],
        marker=marker,
        joined=joined,
    )


def _stage_table(history: History) -> Table:
    metrics = [name for name in ("rougeL", "loss", "flagged") if any(score(stage, name) for stage in history.stages)]
    groups = [group for group in GROUP_NAMES if any(group in stage.groups for stage in history.stages)]
    rows = [
        [
            Cell(stage_label(stage)),
            *(interval(score(stage, metric, group), metric) for group in groups for metric in metrics),
        ]
        for stage in history.stages
    ]
    return Table(
        "Every stage in every group of questions, with 95 % intervals. Own shard: products of the shard just trained.",
        ["", *(METRIC_NAMES[metric] for _ in groups for metric in metrics)],
        rows,
        groups=[("", 1), *((GROUP_NAMES[group], len(metrics)) for group in groups)],
    )


def _reason_table(history: History) -> Table | None:
    """Why held-out answers were flagged, at the stages that are shown side by side."""
    chosen = _readable_stages(history)
    answers = [list(_held_out_answers(stage).values()) for stage in chosen]
    counts = [Counter(flag for row in found for flag in _flags(row)) for found in answers]
    reasons = [reason for reason, _ in sum(counts, Counter[str]()).most_common()]
    if not reasons:
        return None
    rows = [
        [
            Cell(reason_label(reason)),
            *(Cell(share(count[reason], len(found))) for count, found in zip(counts, answers, strict=True)),
        ]
        for reason in reasons
    ]
    return Table(
        "Why held-out answers are flagged: the share of answers with each reason. One can have several. Invented: "
        "it stands in neither the title nor the neighbours. Copied: from the title or a neighbour.",
        ["Reason", *(stage_label(stage) for stage in chosen)],
        rows,
    )


def _readable_stages(history: History) -> list[Stage]:
    """Base, base with retrieval, the first, middle and last shard, and the last with retrieval."""
    plain = [stage for stage in history.stages if stage.shard is not None and not stage.retrieval]
    some = [plain[position] for position in sorted({0, len(plain) // 2, len(plain) - 1})] if plain else []
    found = [
        findings.stage_of(history, None, False),
        findings.stage_of(history, None, True),
        *some,
        findings.last_stage(history, True),
    ]
    return [stage for stage in found if stage is not None]


def _held_out_answers(stage: Stage) -> dict[str, dict[str, object]]:
    return {row["uid"]: row for row in stage.answers.to_pylist() if row["group"] == HELD_OUT}


def _answer(stage: str, row: dict[str, object]) -> Answer:
    return Answer(
        stage,
        cut(str(row["answer"]), TEXT_CHARACTERS),
        number(row["rougeL"], 2),
        [reason_label(flag) for flag in _flags(row)],
    )


def _flags(row: dict[str, object]) -> list[str]:
    flags = row["flags"]
    return [str(flag) for flag in flags] if isinstance(flags, list) else []
