"""The section on the catalogue's rows."""

from jobs.report.document import Block, Cell, Section, Table, Text
from jobs.report.history import CatalogueSummary, History
from jobs.report.wording import count, counted, cut, number, share

ROW_FIGURES = (
    ("Rows read", "read"),
    ("Kept", "kept"),
    ("Rejected", "rejected"),
    ("Held out", "held_out"),
    ("Exact duplicates", "duplicates_exact"),
    ("Near duplicates", "duplicates_near"),
    ("Clusters", "clusters"),
)
SHOWN_SENTENCES, SENTENCE_CHARACTERS = 10, 120
LENGTH_FIGURES = (
    ("mean", "Mean"),
    ("p50", "Median"),
    ("p95", "95th percentile"),
    ("p99", "99th percentile"),
    ("max", "Maximum"),
)


def section(history: History) -> Section:
    """Return the section."""
    catalogue = history.catalogue
    tables = (_row_table(catalogue), _reject_table(catalogue), _boilerplate_table(catalogue), _length_table(catalogue))
    blocks: list[Block] = [
        Text(f"Catalogue {catalogue.name!r}, {counted(catalogue.shards, 'shard')}."),
        *(table for table in tables if table is not None),
    ]
    return Section("data", "Data", blocks)


def _row_table(catalogue: CatalogueSummary) -> Table:
    figures = catalogue.figures
    rows = [
        [Cell(name), Cell(count(figures[key])), Cell(share(figures[key], figures.get("read")))]
        for name, key in ROW_FIGURES
        if figures.get(key) is not None
    ]
    return Table(
        "Rows. A cluster is a product with its exact and near duplicates.", ["", "Rows", "Share of rows read"], rows
    )


def _reject_table(catalogue: CatalogueSummary) -> Table | None:
    reasons = catalogue.statistics.get("rejected", {})
    total = sum(reasons.values())
    rows = [
        [Cell(str(reason)), Cell(count(rejected)), Cell(share(rejected, total))]
        for reason, rejected in sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0]))
    ]
    return Table("Rejected rows by reason", ["Reason", "Rows", "Share of rejected rows"], rows) if rows else None


def _boilerplate_table(catalogue: CatalogueSummary) -> Table | None:
    boilerplate = catalogue.statistics.get("boilerplate") or {}
    rows = [
        [Cell(cut(str(item["sentence"]), SENTENCE_CHARACTERS)), Cell(count(item["clusters"]))]
        for item in boilerplate.get("most_frequent", [])[:SHOWN_SENTENCES]
    ]
    caption = f"Sentences that were removed from the contents, because they recur and do not follow from the titles: {count(boilerplate.get('sentences'))}"
    return Table(caption, ["Most frequent", "Clusters"], rows) if rows else None


def _length_table(catalogue: CatalogueSummary) -> Table | None:
    rows = [
        [Cell(name.capitalize(), unit), *(Cell(number(lengths.get(key), 0)) for key, _ in LENGTH_FIGURES)]
        for unit in ("words", "tokens")
        for name in ("title", "content")
        if (lengths := (catalogue.statistics.get(unit) or {}).get(name))
    ]
    return Table("Lengths", ["", *(label for _, label in LENGTH_FIGURES)], rows) if rows else None
