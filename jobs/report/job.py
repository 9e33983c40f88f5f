"""All metrics and answers of a run to one HTML page, a PDF and CSV files.

Reads the catalogue, every trained shard's metrics, every evaluated stage and a batch of descriptions; what is not there
yet is left out. Writes `runs/RUN/report/`: index.html, report.pdf, shards.csv, stages.csv, answers.csv. A report of
older inputs is replaced. Try: `skuscribe report --run main --gpu-hour-price 0.71`
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime

from jobs import __version__
from jobs.process import folders, log
from jobs.process.errors import NotReadyError
from jobs.quality.metrics import Interval
from jobs.report import findings, history, quality_sections, run_sections
from jobs.report.document import Document, to_html, to_pdf
from jobs.report.history import Epoch, History, Sources
from jobs.report.settings import Settings
from jobs.storage import artifact, layout
from jobs.storage.store import Store

KIND = "report"


def run(settings: Settings) -> None:
    """Make the report, unless the one that stands says the same."""
    store = Store(settings.store)
    sources = history.find(store, settings.run, settings.catalogue, settings.batch)
    _check_complete(settings, sources)
    path = report_path(settings.run)
    inputs = sources.digests()
    decided = {**settings.model_dump(exclude={"store", "partial"}), "code_version": __version__}
    if _stands(store, path, decided, inputs):
        log.info("already done", report=store.at(path))
        return
    with folders.temporary_folder() as folder:
        found = history.read(sources, folder)
    with artifact.draft(store, path, KIND, decided, inputs) as draft:
        for name, data in _publish(found, settings, datetime.fromisoformat(sources.newest()).astimezone(UTC)).items():
            draft.add_bytes(name, data)
        if not _stands(store, path, decided, inputs):
            store.delete(f"{path}/{layout.MANIFEST}")
        draft.commit({"shards": len(found.shards), "stages": len(found.stages)})
    log.info("report done", report=store.at(path), shards=len(found.shards), stages=len(found.stages))


def report_path(run: str) -> str:
    """Where the report of a run lives in the store."""
    return f"{layout.run_path(run)}/report"


def build(found: History, settings: Settings) -> Document:
    """The document of a history."""
    chosen = (
        quality_sections.result(found, settings.seed),
        quality_sections.stages(found),
        quality_sections.questions(found, settings.examples),
        run_sections.training(found),
        run_sections.batch(found),
        run_sections.speed_and_cost(found, settings.gpu_hour_price),
        run_sections.data(found),
    )
    return Document(
        title=f"skuscribe: run {found.run}",
        subtitle=run_sections.subtitle(found),
        verdict=findings.verdict(found, settings.seed),
        summary=findings.summary(found, settings.seed),
        cards=findings.cards(found, settings.seed, settings.gpu_hour_price),
        sections=[section for section in chosen if section is not None],
        footer=f"Made by skuscribe {__version__}. The figures are in shards.csv, stages.csv and answers.csv beside this file.",
    )


def _publish(found: History, settings: Settings, timestamp: datetime) -> dict[str, bytes]:
    """The report's files by name."""
    document = build(found, settings)
    return {
        "index.html": to_html(document).encode(),
        "report.pdf": to_pdf(document, timestamp),
        "shards.csv": _shards_csv(found),
        "stages.csv": _stages_csv(found),
        "answers.csv": _answers_csv(found),
    }


def _check_complete(settings: Settings, sources: Sources) -> None:
    total = len(sources.catalogue.names("shard-"))
    missing = [number for number in range(total) if number not in sources.shards]
    if missing and not settings.partial:
        raise NotReadyError(
            f"run {settings.run!r} has {total - len(missing)} of {total} shards; the first that is missing is {missing[0]}: "
            f"`skuscribe train --run {settings.run}` goes on, `--partial` reports on what there is"
        )


def _stands(store: Store, path: str, decided: Mapping[str, object], inputs: Mapping[str, str]) -> bool:
    """Whether the report that stands was made with these settings from these inputs."""
    standing = artifact.find(store, path)
    return standing is not None and standing.manifest.settings == decided and standing.manifest.inputs == inputs


def _shards_csv(found: History) -> bytes:
    """Per shard and epoch, this run's figures and the reference run's."""
    names = [field.name for field in fields(Epoch) if field.name not in ("shard", "epoch")]
    own = [("this run", epoch) for shard in found.shards for epoch in shard.epochs]
    theirs = [("reference", epoch) for epoch in found.reference]
    rows = [[run, epoch.shard, epoch.epoch, *(getattr(epoch, name) for name in names)] for run, epoch in own + theirs]
    return _csv(["run", "shard", "epoch", *names], rows)


def _stages_csv(found: History) -> bytes:
    """Per stage, group and metric: value and 95 % interval. A baseline is a group of its stage."""
    rows: list[Sequence[object]] = []
    for stage in found.stages:
        scored: dict[str, tuple[int | None, Mapping[str, Interval]]] = {
            name: (group.questions, group.scores) for name, group in stage.groups.items()
        }
        scored |= {f"baseline {name}": (None, scores) for name, scores in stage.baselines.items()}
        for group, (questions, scores) in scored.items():
            rows += [
                [stage.name, group, questions, metric, item.value, item.low, item.high]
                for metric, item in scores.items()
            ]
    return _csv(["stage", "group", "questions", "metric", "value", "low", "high"], rows)


def _answers_csv(found: History) -> bytes:
    """Every answer of every stage. A text that a spreadsheet would run as a formula has a `'` in front."""
    if not found.stages:
        return _csv(["stage"], [])
    names = found.stages[0].answers.column_names
    rows = (
        [stage.name, *(" ".join(map(str, row[name])) if isinstance(row[name], list) else row[name] for name in names)]
        for stage in found.stages
        for row in stage.answers.to_pylist()
    )
    return _csv(["stage", *names], rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    return out.getvalue().encode()


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
