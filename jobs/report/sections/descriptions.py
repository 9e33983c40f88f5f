"""The section on a batch of descriptions."""

from collections.abc import Mapping
from typing import Any

from jobs.report.document import Block, Cell, Section, Table, Text
from jobs.report.history import History
from jobs.report.wording import INVENTED_AND_COPIED, count, counted, percent, plural, reason_label, share

OUTCOMES = (("Published", "published"), ("Flagged, held back", "flagged"), ("Failed", "failed"))
SCORES = (
    ("grounding", "Grounding: numbers and codes that are in the title or in enough neighbours"),
    ("repetition", "Repetition: word 3-grams that occur earlier in the text"),
    ("copying", "Copying: words copied from the title or a neighbour"),
)


def section(history: History) -> Section | None:
    """Return the section, or None if no batch is reported on."""
    if not history.batch:
        return None
    if history.batch_rejected:
        text = f"Batch {history.batch!r} was not written by a model of run {history.run!r}: choose another batch with --batch."
        return Section("batch", "Descriptions", [Text(text)])
    figures = history.batch_figures
    if figures is None:
        text = f"Batch {history.batch!r} does not exist yet: `skuscribe describe` makes it."
        return Section("batch", "Descriptions", [Text(text)])
    tables = (_outcome_table(figures), _reason_table(figures), _score_table(history.batch_scores))
    blocks: list[Block] = [
        Text(_introduction(history.batch, figures)),
        *(table for table in tables if table is not None),
    ]
    return Section("batch", "Descriptions", blocks)


def _introduction(batch: str, figures: Mapping[str, Any]) -> str:
    speed = figures.get("products_per_second")
    words = [f"Batch {batch!r}: {counted(int(figures.get('products', 0)), 'product')}"]
    words += [f"by the model {figures['model']}"] if figures.get("model") else []
    words += [f"{speed:,.1f} products per second"] if speed else []
    retries = figures.get("retries")
    words += [f"{retries:,} more {plural(retries, 'text')} generated to replace flagged ones"] if retries else []
    return ", ".join(words) + "."


def _outcome_table(figures: Mapping[str, Any]) -> Table:
    products = int(figures.get("products", 0))
    rows = [
        [Cell(name), Cell(count(figures.get(key, 0))), Cell(share(figures.get(key, 0), products))]
        for name, key in OUTCOMES
    ]
    return Table("Outcome", ["", "Products", "Share"], rows)


def _reason_table(figures: Mapping[str, Any]) -> Table | None:
    products, reasons = int(figures.get("products", 0)), figures.get("reasons") or {}
    rows = [
        [Cell(reason_label(str(reason))), Cell(count(flagged)), Cell(share(flagged, products))]
        for reason, flagged in sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0]))
    ]
    if not rows:
        return None
    caption = f"Reasons for flagging. A description can have several. {INVENTED_AND_COPIED}"
    return Table(caption, ["Reason", "Products", "Share"], rows)


def _score_table(scores: Mapping[str, float]) -> Table | None:
    rows = [[Cell(text), Cell(percent(scores[name]))] for name, text in SCORES if name in scores]
    if not rows:
        return None
    return Table(f"Mean scores of {counted(int(scores['rows']), 'description')}", ["", "Mean"], rows)
