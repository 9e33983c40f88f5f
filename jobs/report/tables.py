"""The CSV files of a report."""

from collections.abc import Iterator, Sequence
from dataclasses import fields

from jobs.report.epochs import Epoch, reference_run
from jobs.report.history import History
from jobs.text.spreadsheet import csv_file

LINE_END = "\n"


def shards_csv(history: History) -> bytes:
    """Return the figures per shard and epoch, of this run and of the reference run."""
    figures = [field.name for field in fields(Epoch) if field.name not in ("shard", "epoch")]
    labelled = [("this run", epoch) for shard in history.shards for epoch in shard.epochs]
    labelled += [("reference", epoch) for epoch in reference_run()]
    rows = [[run, epoch.shard, epoch.epoch, *(getattr(epoch, name) for name in figures)] for run, epoch in labelled]
    return csv_file(["run", "shard", "epoch", *figures], rows, LINE_END)


def stages_csv(history: History) -> bytes:
    """Return the value and 95 % interval per stage, group and metric. A baseline is listed as a group of its stage."""
    return csv_file(["stage", "group", "questions", "metric", "value", "low", "high"], _score_rows(history), LINE_END)


def _score_rows(history: History) -> Iterator[Sequence[object]]:
    for stage in history.stages:
        scored = [(name, group.questions, group.scores) for name, group in stage.groups.items()]
        scored_baselines = [(f"baseline {name}", None, scores) for name, scores in stage.baselines.items()]
        for group, questions, scores in (*scored, *scored_baselines):
            for metric, interval in scores.items():
                yield [stage.name, group, questions, metric, interval.value, interval.low, interval.high]


def answers_csv(history: History) -> bytes:
    """Return every answer of every stage. A column that a stage does not have is empty in its rows."""
    names = list(dict.fromkeys(name for stage in history.stages for name in stage.answers.column_names))
    rows = (
        [stage.name, *(_text(answer.get(name)) for name in names)]
        for stage in history.stages
        for answer in stage.answers.to_pylist()
    )
    return csv_file(["stage", *names], rows, LINE_END)


def _text(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value
