"""The section on speed and cost."""

from jobs.process.durations import duration
from jobs.report.document import Block, Cell, Section, Table, Text
from jobs.report.history import History, TrainedShard
from jobs.report.wording import counted, dollars, number, percent

COUNTED = (
    "The times of training include its steps and the validation after each epoch; those of evaluation include loading "
    "of models, retrieval, generation and scoring; those of descriptions include retrieval, generation, checks and "
    "writing to Postgres."
)
NOT_COUNTED = (
    "The times exclude the other jobs, loading of models and rows for training and descriptions, tokenization for "
    "training, saving and loading of checkpoints, steps that are repeated after an interruption, saving and upload of "
    "results, pod start-up, image pulls and idle nodes."
)


def section(history: History, gpu_hour_price: float) -> Section:
    """Return the section. The price is in USD, 0 if it is unknown: the section then has times only."""
    blocks: list[Block] = [
        _throughput_table(history, gpu_hour_price),
        _time_table(history, gpu_hour_price),
        *([Text(_at_once(history))] if history.shards_at_once > 1 and history.longest_seconds is not None else []),
        Text(f"{COUNTED} {NOT_COUNTED}"),
        Text(_price(gpu_hour_price)),
    ]
    return Section("cost", "Speed and cost", blocks)


def _throughput_table(history: History, price: float) -> Table:
    columns = ["Shard", "Examples/s", "Target tokens/s", "Padding efficiency", "MFU", "Time", "GPU"]
    return Table(
        "Throughput in the last epoch of each shard, and the time of all its steps and validations. Padding efficiency "
        "is the share of tokens that are not padding. MFU (model FLOPs utilisation) is the share of the GPU's peak "
        "throughput that the model used.",
        [*columns, *(["Cost"] if price > 0 else [])],
        [_throughput_row(shard, price) for shard in history.shards if shard.epochs],
    )


def _throughput_row(shard: TrainedShard, price: float) -> list[Cell]:
    epoch, seconds = shard.epochs[-1], shard.seconds
    row = [
        Cell(str(epoch.shard)),
        Cell(number(epoch.examples_per_second, 1)),
        Cell(number(epoch.target_tokens_per_second, 0)),
        Cell("" if epoch.padding_efficiency is None else percent(epoch.padding_efficiency)),
        Cell("" if epoch.model_flops_utilisation is None else percent(epoch.model_flops_utilisation)),
        Cell("" if seconds is None else duration(seconds)),
        Cell(shard.gpu or "none"),
    ]
    return [*row, Cell("" if seconds is None else dollars(seconds, price))] if price > 0 else row


def _time_table(history: History, price: float) -> Table:
    trained, left = history.training_seconds, history.planned_shards - len(history.shards)
    evaluated = [stage.seconds for stage in history.stages if stage.seconds is not None]
    done = [
        (f"Training, {counted(len(history.shards), 'shard')}", trained),
        (f"Evaluation, {counted(len(evaluated), 'stage')}", sum(evaluated) if evaluated else None),
        ("Descriptions", (history.batch_figures or {}).get("seconds")),
    ]
    known = [(name, seconds) for name, seconds in done if seconds is not None]
    known.append(("Total", sum(seconds for _, seconds in known)))
    if left > 0 and trained:
        remaining = f"Remaining training, {counted(left, 'shard')} at the mean time so far"
        known.append((remaining, trained / len(history.shards) * left))
    rows = [
        [Cell(name), Cell(duration(seconds)), *([Cell(dollars(seconds, price))] if price > 0 else [])]
        for name, seconds in known
    ]
    caption = "Counted time" + (" and cost" if price > 0 else "")
    return Table(caption, ["", "Time", *(["Cost"] if price > 0 else [])], rows)


def _at_once(history: History) -> str:
    """Return how long the training takes on as many machines as shards are trained at once."""
    return (
        f"The time of training is that of all shards. {counted(history.shards_at_once, 'shard')} at a time start from the same model: on as "
        f"many machines, the longest shards of the rounds take {duration(history.longest_seconds or 0.0)} one after the other."
    )


def _price(price: float) -> str:
    if price <= 0:
        return "Set --gpu-hour-price (USD) to show the cost of each time."
    return f"Cost is the counted time at ${price:,.2f} per hour; the machine costs more."
