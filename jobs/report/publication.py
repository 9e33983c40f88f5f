"""The files of a report: the page, the PDF and the tables."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jobs import __version__
from jobs.process import folders
from jobs.report import findings, history, tables
from jobs.report.cards import cards
from jobs.report.document import Document, to_html, to_pdf
from jobs.report.history import History
from jobs.report.sections import audit, checks, cost, data, descriptions, questions, result, stages, training
from jobs.report.sources import Sources
from jobs.report.wording import counted, model_label
from jobs.storage.artifact import Draft
from jobs.storage.layout import REPORT_PAGE, REPORT_PDF


def write(draft: Draft, sources: Sources, examples: int, gpu_hour_price: float) -> Mapping[str, Any]:
    """Add the files of the report to a draft. Returns the figures for its manifest."""
    with folders.temporary_folder() as folder:
        recorded = history.read(sources, folder)
    document = _document(recorded, examples, gpu_hour_price)
    timestamp = datetime.fromisoformat(sources.newest()).astimezone(
        UTC
    )  # of the sources: equal inputs give equal bytes
    draft.add_bytes(REPORT_PAGE, to_html(document).encode())
    draft.add_bytes(REPORT_PDF, to_pdf(document, timestamp))
    draft.add_bytes("shards.csv", tables.shards_csv(recorded))
    draft.add_bytes("stages.csv", tables.stages_csv(recorded))
    draft.add_bytes("answers.csv", tables.answers_csv(recorded))
    return {"shards": len(recorded.shards), "stages": len(recorded.stages)}


def _document(recorded: History, examples: int, gpu_hour_price: float) -> Document:
    sections = (
        result.section(recorded),
        stages.section(recorded),
        questions.section(recorded, examples),
        training.section(recorded),
        descriptions.section(recorded),
        checks.section(recorded),
        audit.section(recorded),
        cost.section(recorded, gpu_hour_price),
        data.section(recorded),
    )
    return Document(
        title=f"skuscribe: run {recorded.run}",
        subtitle=_subtitle(recorded),
        verdict=findings.verdict(recorded),
        summary=findings.summary(recorded),
        cards=cards(recorded, gpu_hour_price),
        sections=[section for section in sections if section is not None],
        footer=f"Made by skuscribe {__version__}. The figures are in shards.csv, stages.csv and answers.csv next to this file.",
    )


def _subtitle(recorded: History) -> str:
    """Return which model was trained on which catalogue, and when."""
    dates = sorted(shard.committed[:10] for shard in recorded.shards)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    catalogue = recorded.catalogue
    return (
        f"{model_label(recorded)}, trained on {len(recorded.shards):,} of {counted(catalogue.shards, 'shard')} of catalogue "
        f"{catalogue.name!r}, {when}"
    )
