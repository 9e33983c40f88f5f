"""The sections of a report: each takes the history and gives a heading with tables, charts and text."""

import math
from collections.abc import Sequence

from jobs import charts, findings
from jobs.charts import Level, Line
from jobs.document import Answer, Block, Cell, Chart, Charts, Question, Section, Table, Text
from jobs.findings import duration, label, percent, score
from jobs.history import FIRST_SHARD, HELD_OUT, OWN_SHARD, Epoch, History, Stage
from jobs.metrics import Interval

METRICS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
METRIC_NAMES = {
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "rougeLsum": "ROUGE-Lsum",
    "loss": "Loss",
    "repetition": "Repetition",
    "flagged": "Flagged",
}
GROUP_NAMES = {HELD_OUT: "Held out", OWN_SHARD: "Own shard", FIRST_SHARD: "First shard"}
TEXT_WORDS = 110


def subtitle(history: History) -> str:
    """What was trained on what, and when, in one line."""
    dates = sorted(shard.committed[:10] for shard in history.shards)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return (
        f"{_model(history)}, trained on {len(history.shards):,} of {history.data.shards:,} shards of catalogue "
        f"{history.data.name!r}, {when}"
    )


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
    rows = [[Cell(label(stage)), *(_interval(score(stage, name), name) for name in columns)] for stage in chosen]
    baselines = next((stage.baselines for stage in reversed(chosen) if stage.baselines), {})
    rows += [
        [Cell(findings.baseline_label(name), "baseline"), *(_interval(found.get(metric), metric) for metric in columns)]
        for name, found in baselines.items()
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
        _clean_chart(history),
    ]
    text = (
        "Points are means, bands and bars their 95 % intervals; 0 shards trained is the base model. A model that learns "
        "rises in ROUGE-L and falls in loss. One that forgets gets worse on the first shard's products while later shards "
        "are trained."
    )
    blocks: list[Block] = [Text(text), Charts([chart for chart in drawn if chart is not None]), _stage_table(history)]
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
        shown = [_answer(label(stage), found[uid]) for stage, found in zip(chosen, answers, strict=True)]
        blocks.append(Question(str(first["title"]), _cut(str(first["reference"])), shown))
    return Section("questions", "The same questions", blocks)


def training(history: History) -> Section:
    """Losses and ROUGE per shard and epoch, beside the reference run's."""
    drawn = [
        _epoch_chart(history, "training-loss", "training_loss", "Training loss"),
        _epoch_chart(history, "validation-loss", "validation_loss", "Validation loss"),
        _epoch_chart(history, "validation-rouge", "rougeL", "ROUGE-L on each shard's test rows"),
    ]
    blocks: list[Block] = [
        Text(_fairness(history)),
        Charts([chart for chart in drawn if chart is not None]),
        _epoch_table(history),
    ]
    return Section("training", "Training", blocks)


def batch(history: History) -> Section | None:
    """What became of the descriptions."""
    if not history.batch:
        return None
    figures = history.batch_figures
    if figures is None:
        text = f"The batch {history.batch!r} has not been exported yet: `skuscribe describe` makes it."
        return Section("batch", "Descriptions", [Text(text)])
    products = int(figures.get("products", 0))
    rows = [
        [Cell(name), Cell(f"{int(figures.get(key, 0)):,}"), Cell(_share(figures.get(key, 0), products))]
        for name, key in (("Published", "published"), ("Flagged, held back", "flagged"), ("Failed", "failed"))
    ]
    reasons = figures.get("reasons") or {}
    by_reason = [
        [Cell(str(name)), Cell(f"{int(count):,}"), Cell(_share(count, products))]
        for name, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    ]
    speed = figures.get("products_per_second")
    words = [f"Batch {history.batch!r}: {products:,} products"]
    words += [f"by the model {figures['model']}"] if figures.get("model") else []
    words += [f"{speed:,.1f} products a second"] if speed else []
    blocks: list[Block] = [Text(", ".join(words) + "."), Table("What became of them", ["", "Products", "Share"], rows)]
    if by_reason:
        blocks.append(
            Table("Why they were flagged; one can have several reasons", ["Reason", "Products", "Share"], by_reason)
        )
    return Section("batch", "Descriptions", blocks)


def speed_and_cost(history: History, gpu_hour_price: float) -> Section:
    """Throughput of each shard, seconds and money."""
    columns = ["Shard", "Examples/s", "Target tokens/s", "Padding efficiency", "MFU", "Time", "GPU"]
    priced = gpu_hour_price > 0
    rows = [
        _speed_row(shard.epochs[-1], shard.seconds, shard.gpu, gpu_hour_price)
        for shard in history.shards
        if shard.epochs
    ]
    table = Table(
        "Throughput in the last epoch of each shard; time over all its epochs. Padding efficiency is the share of tokens "
        "that are not padding, MFU the share of the GPU's peak that the model's own arithmetic used.",
        columns + ["Cost"] * priced,
        rows,
    )
    return Section(
        "cost", "Speed and cost", [table, _cost_table(history, gpu_hour_price), Text(_price(gpu_hour_price))]
    )


def data(history: History) -> Section:
    """What the catalogue was made of."""
    figures = history.data.figures
    rows = [
        [Cell(name), Cell(f"{int(figures[key]):,}"), Cell(_share(figures[key], figures.get("read", 0)))]
        for name, key in (
            ("Rows read", "read"),
            ("Kept", "kept"),
            ("Rejected", "rejected"),
            ("Held out", "held_out"),
            ("Exact duplicates", "duplicates_exact"),
            ("Near duplicates", "duplicates_near"),
            ("Clusters", "clusters"),
        )
        if isinstance(figures.get(key), int)
    ]
    blocks: list[Block] = [
        Text(f"Catalogue {history.data.name!r}, {history.data.shards:,} shards."),
        Table("Rows", ["", "Rows", "Of those read"], rows),
    ]
    if history.data.reasons:
        rejected = sum(history.data.reasons.values())
        reasons = [
            [Cell(name), Cell(f"{count:,}"), Cell(_share(count, rejected))]
            for name, count in history.data.reasons.items()
        ]
        blocks.append(Table("Why rows were rejected", ["Reason", "Rows", "Of those rejected"], reasons))
    return Section("data", "Data", blocks)


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
        rows.append([Cell(label(after), f"against {label(before).lower()}"), *cells])
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
        f"{findings.signed(gap.value)} {words}",
        findings.span(gap),
        "plain" if found.better is None else "good" if found.better else "bad",
    )


def _stage_chart(history: History, name: str, metric: str, group: str, title: str) -> Chart | None:
    plain = [stage for stage in history.stages if not stage.retrieval and score(stage, metric, group)]
    retrieved = [stage for stage in history.stages if stage.retrieval and score(stage, metric, group)]
    if not plain:
        return None
    lines = [_stage_line("Without retrieval", plain, metric, group, "blue", "o")]
    lines += [_stage_line("With retrieval", retrieved, metric, group, "orange", "D", joined=False)] if retrieved else []
    found = next((stage.baselines for stage in reversed(plain) if stage.baselines), {})
    levels = [
        Level(findings.baseline_label(key), scores[metric].value, colour)
        for (key, scores), colour in zip(found.items(), ("grey", "green"), strict=False)
        if metric in scores and group == HELD_OUT
    ]
    first, last = lines[0].y[0], lines[0].y[-1]
    description = f"{title}: {METRIC_NAMES[metric]} goes from {first:.3f} to {last:.3f} over {len(plain)} stages."
    svg = charts.line_chart(name, description, "shards trained", METRIC_NAMES[metric], lines, levels)
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


def _clean_chart(history: History) -> Chart | None:
    plain = [stage for stage in history.stages if not stage.retrieval and score(stage, "flagged")]
    if not plain:
        return None
    lines = [_stage_line("Flagged", plain, "flagged", HELD_OUT, "purple", "o")]
    repeated = [stage for stage in plain if score(stage, "repetition")]
    lines += [_stage_line("Repetition", repeated, "repetition", HELD_OUT, "green", "s")] if repeated else []
    description = f"Share of held-out answers that were flagged: from {lines[0].y[0]:.3f} to {lines[0].y[-1]:.3f}."
    svg = charts.line_chart("clean", description, "shards trained", "share", lines)
    return Chart(
        "Is the text clean?",
        "Held-out answers. Flagged: the share with at least one reason. Repetition: the mean share of repeated word triples.",
        svg,
    )


def _stage_table(history: History) -> Table:
    metrics = [name for name in ("rougeL", "loss", "flagged") if any(score(stage, name) for stage in history.stages)]
    groups = [group for group in GROUP_NAMES if any(group in stage.groups for stage in history.stages)]
    rows = [
        [
            Cell(label(stage)),
            *(_interval(score(stage, metric, group), metric) for group in groups for metric in metrics),
        ]
        for stage in history.stages
    ]
    return Table(
        "Every stage in every group of questions, with 95 % intervals. Own shard: products of the shard just trained.",
        ["", *(METRIC_NAMES[metric] for _ in groups for metric in metrics)],
        rows,
        groups=[("", 1), *((GROUP_NAMES[group], len(metrics)) for group in groups)],
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
    flags = row["flags"]
    reasons = [str(flag) for flag in flags] if isinstance(flags, list) else []
    return Answer(stage, _cut(str(row["answer"])), _number(row["rougeL"], 2), reasons)


def _cut(text: str) -> str:
    words = text.split(" ")
    return text if len(words) <= TEXT_WORDS else " ".join(words[:TEXT_WORDS]) + " …"


def _fairness(history: History) -> str:
    """Who trained what: so that nobody takes a small model beside a large one for a fair comparison."""
    parameters = history.model_figures.get("parameters")
    rows = sorted({shard.train_rows for shard in history.shards if shard.train_rows})
    each = (
        ""
        if not rows
        else f" on {rows[-1]:,} rows a shard"
        if len(rows) == 1
        else f" on {rows[0]:,} to {rows[-1]:,} rows a shard"
    )
    fair = isinstance(parameters, int) and 240_000_000 < parameters < 255_000_000 and rows == [19_000]
    end = "" if fair else " Another model, or other shards: the two are shown side by side, not compared."
    return (
        f"This run trains {_model(history)}{each}. The reference run trained FLAN-T5-base (247,577,856 parameters) on 19,000 rows a "
        f"shard, ten shards of three epochs, on other products.{end}"
    )


def _model(history: History) -> str:
    """The base model with its origin and size."""
    figures = history.model_figures
    parameters, source = figures.get("parameters"), figures.get("source")
    size = f"{parameters:,} parameters" if isinstance(parameters, int) else "of unknown size"
    return f"model {history.model!r} ({source}, {size})" if source else f"model {history.model!r} ({size})"


def _epoch_chart(history: History, name: str, figure: str, title: str) -> Chart | None:
    own = [(x, getattr(epoch, figure)) for shard in history.shards for x, epoch in _placed(shard.epochs)]
    if not any(value is not None for _, value in own):
        return None
    end = max(shard.number for shard in history.shards) + 1
    theirs = [(x, getattr(epoch, figure)) for x, epoch in _reference_placed(history) if x <= end]
    lines = [
        Line("This run", [x for x, _ in own], [y for _, y in own], "blue"),
        Line(
            "Reference run (FLAN-T5-base)",
            [x for x, _ in theirs],
            [y for _, y in theirs],
            "grey",
            dashed=True,
            marker="s",
        ),
    ]
    seen = [value for _, value in own if value is not None]
    description = f"{title} per shard and epoch: this run goes from {seen[0]:.3f} to {seen[-1]:.3f}."
    svg = charts.line_chart(name, description, "shards trained", title.split(" on ")[0], lines)
    return Chart(title, "One point an epoch.", svg)


def _placed(epochs: Sequence[Epoch]) -> list[tuple[float, Epoch]]:
    """Each epoch of one shard with its place on an axis of shards trained."""
    return [(epoch.shard + (position + 1) / len(epochs), epoch) for position, epoch in enumerate(epochs)]


def _reference_placed(history: History) -> list[tuple[float, Epoch]]:
    shards = sorted({epoch.shard for epoch in history.reference})
    return [
        pair for shard in shards for pair in _placed([epoch for epoch in history.reference if epoch.shard == shard])
    ]


def _epoch_table(history: History) -> Table:
    figures = ("training_loss", "validation_loss", *METRICS)
    names = ["Training loss", "Validation loss", *(METRIC_NAMES[name] for name in METRICS)]
    rows = []
    for shard in history.shards:
        theirs = [epoch for epoch in history.reference if epoch.shard == shard.number]
        for position, epoch in enumerate(shard.epochs):
            reference = theirs[position] if position < len(theirs) else None
            own = [Cell(_number(getattr(epoch, name), 3)) for name in figures]
            beside = [Cell(_number(getattr(reference, name, None), 3)) for name in figures]
            rows.append([Cell(str(shard.number)), Cell(str(position + 1)), *own, *beside])
    return Table(
        "Per shard and epoch, beside the same shard and epoch of the reference run. Blank: not reported, or not legible.",
        ["Shard", "Epoch", *names, *names],
        rows,
        labels=2,
        groups=[("", 2), ("This run", len(figures)), ("Reference run", len(figures))],
    )


def _speed_row(epoch: Epoch, seconds: float | None, gpu: str | None, price: float) -> list[Cell]:
    row = [
        Cell(str(epoch.shard)),
        Cell(_number(epoch.examples_per_second, 1)),
        Cell(_number(epoch.target_tokens_per_second, 0)),
        Cell("" if epoch.padding_efficiency is None else percent(epoch.padding_efficiency)),
        Cell("" if epoch.model_flops_utilisation is None else percent(epoch.model_flops_utilisation)),
        Cell("" if seconds is None else duration(seconds)),
        Cell(gpu or "none"),
    ]
    money = "" if seconds is None else f"${findings.cost(seconds, price):,.2f}"
    return [*row, Cell(money)] if price > 0 else row


def _cost_table(history: History, price: float) -> Table:
    trained = findings.training_seconds(history)
    evaluated = [stage.seconds for stage in history.stages if stage.seconds is not None]
    described = (history.batch_figures or {}).get("seconds")
    left = history.data.shards - len(history.shards)
    seconds = [
        (f"Training, {len(history.shards):,} shards", trained),
        (f"Evaluation, {len(evaluated):,} stages", sum(evaluated) if evaluated else None),
        ("Describing", described),
    ]
    known = [value for _, value in seconds if value is not None]
    seconds.append(("Together", sum(known)))
    if left and trained:
        seconds.append((f"Still to train, {left:,} shards at the mean so far", trained / len(history.shards) * left))
    rows = [
        [Cell(name), Cell(duration(value)), *([Cell(f"${findings.cost(value, price):,.2f}")] if price > 0 else [])]
        for name, value in seconds
        if value is not None
    ]
    return Table(
        "Time of the machine" + (", and its cost" if price > 0 else ""), ["", "Time", *["Cost"] * (price > 0)], rows
    )


def _price(price: float) -> str:
    if price <= 0:
        return "No price given: with --gpu-hour-price (USD), each time has its cost beside it."
    return f"Cost is time at ${price:,.2f} an hour. Starting pods, pulling images and idle nodes come on top."


def _interval(found: Interval | None, metric: str) -> Cell:
    if found is None:
        return Cell("")
    if metric in ("flagged", "repetition"):
        return Cell(percent(found.value), f"{percent(found.low)} – {percent(found.high)}")
    return Cell(f"{found.value:.3f}", f"{found.low:.3f} – {found.high:.3f}")


def _number(value: object, digits: int) -> str:
    return f"{value:,.{digits}f}" if isinstance(value, int | float) and not math.isnan(value) else ""


def _share(part: object, whole: object) -> str:
    if not isinstance(part, int | float) or not isinstance(whole, int | float) or not whole:
        return ""
    return percent(part / whole)
