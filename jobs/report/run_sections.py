"""What was done: training beside the reference run, descriptions, speed, cost and data."""

from collections.abc import Sequence

from jobs.report import charts, findings
from jobs.report.charts import Line
from jobs.report.document import Block, Cell, Chart, Charts, Section, Table, Text
from jobs.report.history import Epoch, History
from jobs.report.wording import METRIC_NAMES, count, dollars, duration, number, percent, reason_label, share

ROUGES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
REFERENCE_PARAMETERS, REFERENCE_ROWS = 247_577_856, 19_000
ROW_FIGURES = (
    ("Rows read", "read"),
    ("Kept", "kept"),
    ("Rejected", "rejected"),
    ("Held out", "held_out"),
    ("Exact duplicates", "duplicates_exact"),
    ("Near duplicates", "duplicates_near"),
    ("Clusters", "clusters"),
)
LENGTH_FIGURES = (
    ("mean", "Mean"),
    ("p50", "Median"),
    ("p95", "95 % within"),
    ("p99", "99 % within"),
    ("max", "Longest"),
)


def subtitle(history: History) -> str:
    """What was trained on what, and when, in one line."""
    dates = sorted(shard.committed[:10] for shard in history.shards)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return (
        f"{_model(history)}, trained on {len(history.shards):,} of {history.data.shards:,} shards of catalogue "
        f"{history.data.name!r}, {when}"
    )


def training(history: History) -> Section:
    """Losses and ROUGE per shard and epoch, beside the reference run's."""
    drawn = [
        _epoch_chart(history, "training-loss", "training_loss", "Training loss"),
        _epoch_chart(history, "validation-loss", "validation_loss", "Validation loss"),
        _epoch_chart(history, "validation-rouge", "rougeL", "ROUGE-L on each shard's test rows"),
        _epoch_chart(history, "validation-rouge-1", "rouge1", "ROUGE-1 on each shard's test rows"),
    ]
    blocks: list[Block] = [
        Text(_fairness(history)),
        Charts([chart for chart in drawn if chart is not None]),
        _epoch_table(history),
        _configuration_table(history),
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
        [Cell(name), Cell(count(figures.get(key, 0))), Cell(share(figures.get(key, 0), products))]
        for name, key in (("Published", "published"), ("Flagged, held back", "flagged"), ("Failed", "failed"))
    ]
    reasons = figures.get("reasons") or {}
    by_reason = [
        [Cell(reason_label(str(name))), Cell(count(flagged)), Cell(share(flagged, products))]
        for name, flagged in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    ]
    speed = figures.get("products_per_second")
    words = [f"Batch {history.batch!r}: {products:,} products"]
    words += [f"by the model {figures['model']}"] if figures.get("model") else []
    words += [f"{speed:,.1f} products a second"] if speed else []
    words += [f"{figures['retries']:,} decoded again more strictly"] if figures.get("retries") else []
    blocks: list[Block] = [Text(", ".join(words) + "."), Table("What became of them", ["", "Products", "Share"], rows)]
    if by_reason:
        blocks.append(
            Table(
                "Why they were flagged; one can have several reasons. Invented: it stands in neither the title nor the neighbours",
                ["Reason", "Products", "Share"],
                by_reason,
            )
        )
    scores = [[Cell(name), Cell(percent(value))] for name, value in _score_rows(history)]
    if scores:
        blocks.append(
            Table(f"Means over {count(history.batch_scores['rows'])} of the descriptions", ["", "Mean"], scores)
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
    figures, statistics = history.data.figures, history.data.statistics
    rows = [
        [Cell(name), Cell(count(figures[key])), Cell(share(figures[key], figures.get("read")))]
        for name, key in ROW_FIGURES
        if figures.get(key) is not None
    ]
    blocks: list[Block] = [
        Text(f"Catalogue {history.data.name!r}, {history.data.shards:,} shards."),
        Table("Rows. A cluster is a product with its exact and near duplicates.", ["", "Rows", "Of those read"], rows),
    ]
    reasons = sorted(statistics.get("rejected", {}).items(), key=lambda item: (-item[1], item[0]))
    if reasons:
        total = sum(number_of_rows for _, number_of_rows in reasons)
        rejected = [[Cell(str(name)), Cell(count(rows)), Cell(share(rows, total))] for name, rows in reasons]
        blocks.append(Table("Why rows were rejected", ["Reason", "Rows", "Of those rejected"], rejected))
    lengths = [
        [Cell(name.capitalize(), unit), *(Cell(number(found.get(key), 0)) for key, _ in LENGTH_FIGURES)]
        for unit in ("words", "tokens")
        for name in ("title", "content")
        if (found := (statistics.get(unit) or {}).get(name))
    ]
    if lengths:
        blocks.append(Table("Lengths", ["", *(label for _, label in LENGTH_FIGURES)], lengths))
    return Section("data", "Data", blocks)


def _score_rows(history: History) -> list[tuple[str, float]]:
    names = (
        ("grounding", "Grounding: numbers and codes found in title or neighbours"),
        ("repetition", "Repetition: repeated word triples"),
        ("copying", "Copying: words taken over from title or neighbour"),
    )
    return [(text, history.batch_scores[name]) for name, text in names if name in history.batch_scores]


def _fairness(history: History) -> str:
    """Who trained what: so that nobody takes a small model beside a large one for a fair comparison."""
    parameters = history.model_figures.get("parameters")
    rows = sorted({shard.train_rows for shard in history.shards if shard.train_rows})
    each = "" if not rows else f" on {' to '.join(f'{size:,}' for size in sorted({rows[0], rows[-1]}))} rows a shard"
    asked = history.configuration.get("rouge_rows")
    rouge = f" Its ROUGE is over {asked:,} test rows a shard." if asked else ""
    same = parameters == REFERENCE_PARAMETERS and rows == [REFERENCE_ROWS]
    end = "" if same else " Another model, or other shards: the two are shown side by side, not compared."
    return (
        f"This run trains {_model(history)}{each}.{rouge} The reference run trained FLAN-T5-base "
        f"({REFERENCE_PARAMETERS:,} parameters) on {REFERENCE_ROWS:,} rows a shard and tested on 1,000, ten shards of three "
        f"epochs, on other products.{end}"
    )


def _configuration_table(history: History) -> Table:
    rows = [
        [Cell(name.replace("_", " ")), Cell(str(value))]
        for name, value in sorted(history.configuration.items())
        if not name.endswith("_digest")
    ]
    return Table("How it was trained: the frozen configuration of the run", ["Setting", "Value"], rows)


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
    figures = ("training_loss", "validation_loss", *ROUGES)
    names = ["Training loss", "Validation loss", *(METRIC_NAMES[name] for name in ROUGES)]
    rows = []
    for shard in history.shards:
        theirs = [epoch for epoch in history.reference if epoch.shard == shard.number]
        for position, epoch in enumerate(shard.epochs):
            reference = theirs[position] if position < len(theirs) else None
            own = [Cell(number(getattr(epoch, name), 3)) for name in figures]
            beside = [Cell(number(getattr(reference, name, None), 3)) for name in figures]
            rows.append([Cell(str(shard.number)), Cell(str(position + 1)), *own, *beside])
    return Table(
        "Per shard and epoch. Shards count from 0; the reference run's first shard stands beside shard 0. "
        "Blank: not reported, or not legible in the reference.",
        ["Shard", "Epoch", *names, *names],
        rows,
        labels=2,
        groups=[("", 2), ("This run", len(figures)), ("Reference run", len(figures))],
    )


def _speed_row(epoch: Epoch, seconds: float | None, gpu: str | None, price: float) -> list[Cell]:
    row = [
        Cell(str(epoch.shard)),
        Cell(number(epoch.examples_per_second, 1)),
        Cell(number(epoch.target_tokens_per_second, 0)),
        Cell("" if epoch.padding_efficiency is None else percent(epoch.padding_efficiency)),
        Cell("" if epoch.model_flops_utilisation is None else percent(epoch.model_flops_utilisation)),
        Cell("" if seconds is None else duration(seconds)),
        Cell(gpu or "none"),
    ]
    money = "" if seconds is None else dollars(seconds, price)
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
        [Cell(name), Cell(duration(value)), *([Cell(dollars(value, price))] if price > 0 else [])]
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
