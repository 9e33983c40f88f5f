"""The command `audit`: draw a sample of a batch for people to label, or read their labels.

Reads skuscribe.description. Writes audit.html and audit.csv, or skuscribe.audit_label and exports/BATCH/audit.
"""

from pathlib import Path

from jobs.audit import drawing, labels, page, results, rows, worksheet
from jobs.audit.settings import Settings
from jobs.database.connection import Connection
from jobs.database.migrations import migrate
from jobs.database.repeat import repeated
from jobs.process import folders, log
from jobs.process.errors import ConfigurationError
from jobs.storage import artifact, layout, sources
from jobs.storage.store import Store

PAGE, WORKSHEET = "audit.html", "audit.csv"

_UNFINISHED = ""
"""The matcher's digest of a label whose batch is not finished: `--from-audit` of no matcher counts it."""


def run(settings: Settings) -> None:
    """Draw a sample, or read the labels of one.

    Errors: 65 if a label cannot be used, naming its line; 75 if the batch has no texts in Postgres, or is written meanwhile;
    78 if --out has another audit.csv, or cannot be written.
    """
    if settings.labels:
        chosen = settings.batch if "batch" in settings.model_fields_set else None
        _read_labels(Store(settings.store), settings.labels, chosen)
        return
    repeated(migrate)
    _draw(settings.batch, settings.rows, settings.seed, settings.out)


def _draw(batch: str, count: int, seed: int, out: Path) -> None:
    candidates = repeated(lambda connection: rows.candidates(connection, batch))
    sample = drawing.draw(candidates, count, seed)
    drawn = repeated(lambda connection: rows.audit_rows(connection, batch, sample))
    data = worksheet.write(drawn)
    _write(out, data, page.render(drawn, data))
    published = sum(row.published for row in drawn)
    log.info("sample drawn", batch=batch, texts=len(candidates), drawn=len(drawn), published=published)
    print(
        f"{out / PAGE}: label each text in a browser, then download audit.csv\n"
        f"{out / WORKSHEET}: the same rows for a spreadsheet; the column label takes {labels.RIGHT} or {labels.WRONG}\n"
        f"skuscribe audit --labels audit.csv reads the labels"
    )


def _write(out: Path, data: bytes, html: str) -> None:
    """Write both files.

    Errors: `ConfigurationError` (78) if there is another audit.csv, which may have labels; as `folders.writing_to()`.
    """
    with folders.writing_to(out, "--out"):
        if (out / WORKSHEET).exists() and (out / WORKSHEET).read_bytes() != data:
            raise ConfigurationError(
                f"{out / WORKSHEET} already exists with other content, which may be labels: move it, or choose another --out"
            )
        out.mkdir(parents=True, exist_ok=True)
        folders.write_atomically(out / WORKSHEET, data)
        folders.write_atomically(out / PAGE, html.encode())


def _read_labels(store: Store, address: str, chosen: str | None) -> None:
    with sources.opened(address, "--labels (SKUSCRIBE_LABELS)") as source:
        name, data = source.address, sources.read_all(source)
    filled = labels.read(data, name)
    batch = labels.batch_of(filled, name)
    if chosen not in (None, batch):
        raise ConfigurationError(f"{name} has labels of the batch {batch!r}, not of {chosen!r}: correct --batch")

    export = artifact.find(store, layout.export_path(batch))

    def store_labels(connection: Connection) -> tuple[int, str]:
        """Write the labels and the artifact of the results. Returns the number of labels, and the results as text."""
        with connection.transaction():
            rows.lock(connection)
            known = rows.known_texts(connection, batch, labels.uids_of(filled))
            checked = labels.check(filled, known, rows.count_candidates(connection, batch), name)
            rows.write_labels(connection, checked, export.manifest.inputs.get("matcher") if export else _UNFINISHED)
            verdicts, reasons = rows.by_verdict(connection, batch), rows.by_reason(connection, batch)
            outdated = rows.outdated(connection, batch)
            results.commit(store, batch, export, rows.audited(connection, batch), verdicts, reasons, outdated)
            return len(checked), results.table(verdicts, reasons, outdated, rows.representations(connection, batch))

    repeated(migrate)
    stored, shown = repeated(store_labels)
    log.info("labels stored", batch=batch, labels=stored, unlabelled=len(filled) - stored)
    print(shown)
