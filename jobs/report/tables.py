"""The CSV files of a report."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields

from jobs.report.epochs import Epoch, reference_run
from jobs.report.history import History
from jobs.text.spreadsheet import escaped


def shards_csv(history: History) -> bytes:
    """Return the figures per shard and epoch, of this run and of the reference run."""
    figures = [field.name for field in fields(Epoch) if field.name not in ("shard", "epoch")]
    labelled = [("this run", epoch) for shard in history.shards for epoch in shard.epochs]
    labelled += [("reference", epoch) for epoch in reference_run()]
    rows = [[run, epoch.shard, epoch.epoch, *(getattr(epoch, name) for name in figures)] for run, epoch in labelled]
    return _csv(["run", "shard", "epoch", *figures], rows)


def stages_csv(history: History) -> bytes:
    """Return the value and 95 % interval per stage, group and metric. A baseline is listed as a group of its stage."""
    return _csv(["stage", "group", "questions", "metric", "value", "low", "high"], _score_rows(history))


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
    return _csv(["stage", *names], rows)


def _text(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([escaped(value) if isinstance(value, str) else value for value in row] for row in rows)
    return out.getvalue().encode()
