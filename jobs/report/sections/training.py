"""The section on training: losses and ROUGE per shard and epoch, next to those of the reference run if it is comparable."""

from collections.abc import Sequence

from jobs.report import charts
from jobs.report.charts import Line
from jobs.report.document import Block, Cell, Chart, Charts, Section, Table, Text
from jobs.report.epochs import REFERENCE_PARAMETERS, REFERENCE_TRAIN_ROWS, Epoch, reference_run
from jobs.report.history import History
from jobs.report.wording import METRIC_NAMES, counted, model_label, number

ROUGES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
CHARTS = (
    ("training-loss", "training_loss", "Training loss"),
    ("validation-loss", "validation_loss", "Validation loss"),
    ("validation-rouge", "rougeL", "ROUGE-L on each shard's test rows"),
    ("validation-rouge-1", "rouge1", "ROUGE-1 on each shard's test rows"),
)


def section(history: History) -> Section:
    """Return the section."""
    reference = reference_run() if _is_comparable(history) else ()
    drawn = [_chart(history, reference, *chart) for chart in CHARTS]
    blocks: list[Block] = [
        Text(_introduction(history)),
        Charts([chart for chart in drawn if chart is not None]),
        _epoch_table(history, reference),
        *([_merged_table(history)] if history.merged else []),
        _config_table(history),
    ]
    return Section("training", "Training", blocks)


def _introduction(history: History) -> str:
    """Return what this run and the reference run trained, and why the reference run is not shown if it is not."""
    rows = _train_rows(history)
    each = "" if not rows else f" on {' to '.join(f'{size:,}' for size in sorted({rows[0], rows[-1]}))} rows per shard"
    rouge_rows = history.config.get("rouge_rows")
    rouge = f" Its ROUGE is computed on {counted(rouge_rows, 'test row')} per shard." if rouge_rows else ""
    elsewhere = " The model or the shard size differs, so the reference run is shown in shards.csv only."
    end = "" if _is_comparable(history) else elsewhere
    return (
        f"This run trained {model_label(history)}{each}.{rouge} The reference run is the notebooks that skuscribe replaces: they "
        f"trained FLAN-T5-base ({REFERENCE_PARAMETERS:,} parameters) on ten shards of other products for three epochs each, with "
        f"{REFERENCE_TRAIN_ROWS:,} training rows and 1,000 test rows per shard.{end}"
    )


def _is_comparable(history: History) -> bool:
    """Return whether the run trained a model of the reference run's size on shards of its size. The last one of a catalogue may be smaller."""
    last = history.catalogue.shards - 1
    rows = {shard.train_rows for shard in history.shards if shard.train_rows and shard.number < max(last, 1)}
    return history.model_figures.get("parameters") == REFERENCE_PARAMETERS and rows == {REFERENCE_TRAIN_ROWS}


def _train_rows(history: History) -> list[int]:
    """Return the different numbers of training rows of the shards, in order."""
    return sorted({shard.train_rows for shard in history.shards if shard.train_rows})


def _chart(history: History, reference: Sequence[Epoch], name: str, figure: str, title: str) -> Chart | None:
    own = [(x, getattr(epoch, figure)) for shard in history.shards for x, epoch in _on_shard_axis(shard.epochs)]
    known = [value for _, value in own if value is not None]
    if not known:
        return None
    end = max(shard.number for shard in history.shards) + 1
    theirs = [(x, getattr(epoch, figure)) for x, epoch in _reference_on_shard_axis(reference) if x <= end]
    at_once = history.shards_at_once
    lines = [Line("This run", [x for x, _ in own], [y for _, y in own], "blue", joined=at_once == 1)]
    if theirs:
        x, y = [x for x, _ in theirs], [y for _, y in theirs]
        lines.append(Line("Reference run (FLAN-T5-base)", x, y, "grey", dashed=True, marker="s"))
    description = f"{title} per shard and epoch: this run from {known[0]:.3f} to {known[-1]:.3f}."
    x_label = "shards trained" if at_once == 1 else "shards"
    svg = charts.line_chart(name, description, x_label, title.split(" on ")[0], lines)
    start = "" if at_once == 1 else f" {counted(at_once, 'shard')} at a time start from the same model."
    return Chart(title, f"One point per epoch.{start}", svg)


def _reference_on_shard_axis(reference: Sequence[Epoch]) -> list[tuple[float, Epoch]]:
    shards = sorted({epoch.shard for epoch in reference})
    return [
        point for shard in shards for point in _on_shard_axis([epoch for epoch in reference if epoch.shard == shard])
    ]


def _on_shard_axis(epochs: Sequence[Epoch]) -> list[tuple[float, Epoch]]:
    """Return each epoch of one shard with its position on an axis of shards trained."""
    return [(epoch.shard + (position + 1) / len(epochs), epoch) for position, epoch in enumerate(epochs)]


def _epoch_table(history: History, reference: Sequence[Epoch]) -> Table:
    figures = ("training_loss", "validation_loss", *ROUGES)
    own = "" if history.shards_at_once == 1 else " The figures are those of the shard's own model, before it is merged."
    names = ["Training loss", "Validation loss", *(METRIC_NAMES[name] for name in ROUGES)]
    rows = []
    for shard in history.shards:
        theirs = [epoch for epoch in reference if epoch.shard == shard.number]
        for position, epoch in enumerate(shard.epochs):
            beside = theirs[position] if position < len(theirs) else None
            runs = [epoch, beside] if reference else [epoch]
            cells = [Cell(number(getattr(run, name, None), 3)) for run in runs for name in figures]
            rows.append([Cell(str(shard.number)), Cell(str(position + 1)), *cells])
    if not reference:
        caption = f"Per shard and epoch. Shards count from 0.{own} Blank: not reported."
        return Table(caption, ["Shard", "Epoch", *names], rows, labels=2)
    return Table(
        f"Per shard and epoch. Shards count from 0; the first shard of the reference run is next to shard 0.{own} "
        "Blank: not reported, or not legible in the notebooks.",
        ["Shard", "Epoch", *names, *names],
        rows,
        labels=2,
        groups=[("", 2), ("This run", len(figures)), ("Reference run", len(figures))],
    )


def _merged_table(history: History) -> Table:
    return Table(
        "Rounds: the models of the shards of a round, which start from the same model, are merged into the one that the next round "
        "starts from. Outer gradient: the difference between the model that the round starts from and the mean of those that it "
        "trains; its norm is how far the round has moved the model.",
        ["Shards", "Training rows", "Norm of the outer gradient"],
        [
            [
                Cell(f"{model.first} to {model.last}" if model.last > model.first else str(model.first)),
                Cell(f"{model.train_rows:,}"),
                Cell(number(model.gradient_norm, 3)),
            ]
            for model in history.merged
        ],
    )


def _config_table(history: History) -> Table:
    rows = [
        [Cell(name.replace("_", " ")), Cell(str(value))]
        for name, value in sorted(history.config.items())
        if not name.endswith("_digest")
    ]
    return Table("Frozen configuration of the run", ["Setting", "Value"], rows)
