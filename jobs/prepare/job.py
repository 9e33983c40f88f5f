"""Clean raw product rows into a catalogue.

Reads the input. Writes catalogue/NAME: the shards, the held-out set, the rejects and the statistics, all in one commit.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from tokenizers import Tokenizer

from jobs.prepare.assignment import Assignment, assign_rows
from jobs.prepare.boilerplate import without_boilerplate
from jobs.prepare.catalogue_files import write_products, write_rejects
from jobs.prepare.chunk_cleaning import CleaningRules, clean_chunk
from jobs.prepare.cleaned_rows import CleanedRows, write_cleaned_rows
from jobs.prepare.rows import DUPLICATE_UID, UNREADABLE
from jobs.prepare.settings import Settings
from jobs.prepare.statistics import statistics
from jobs.process import folders, log
from jobs.process.errors import ConfigurationError, InputError
from jobs.process.parallel import ordered
from jobs.storage import artifact, layout, sources
from jobs.storage.artifact import Draft, Spec
from jobs.storage.catalogue import Catalogue
from jobs.storage.compression import uncompressed
from jobs.storage.fields import DEFAULT_FIELDS, Fields
from jobs.storage.layout import Kind
from jobs.storage.row_formats import RawRows, read_rows, shown_names
from jobs.storage.store import Store, file_sha256

NOT_IN_CONFIG = {"store", "input", "catalogue", "tokenizer", "processes", "expected_shards", "max_unreadable"}
"""Settings that don't change the content of the catalogue, or are recorded as inputs."""

IN_CONFIG_IF_SET = ("title_field", "content_field", "uid_field")
"""Settings that catalogues of earlier versions don't have. They are recorded only if they are set, so that these still match."""

LATER = ("boilerplate_from",)
"""Settings that catalogues of earlier versions don't record. Such a catalogue still has its boilerplate, but it matches."""

MAX_REPEATED_UIDS = 0.05
"""A warning is given if a larger fraction of the rows has the uid of an earlier row."""

_SHOWN_CHARACTERS = 80


def run(settings: Settings) -> None:
    """Make the catalogue, unless it already exists.

    Errors: `InputError` (65) if the input has no usable rows, `NotReadyError` (75) if the input or the store does not answer,
    `ConfigurationError` (78) if the catalogue was created with different settings or has an unexpected number of shards, or
    if the tokenizer cannot be read.
    """
    started = time.monotonic()
    store = Store(settings.store)
    tokenizer_file = _tokenizer_file(settings.tokenizer)
    source_identity = sources.identity(settings.input)

    def build(draft: Draft) -> dict[str, Any]:
        tokenizer = _load_tokenizer(tokenizer_file) if tokenizer_file else None  # fails before hours of cleaning
        with folders.temporary_folder() as folder:
            cleaned, draft.inputs["rows"] = _clean(settings, folder)
            if settings.boilerplate_from:
                cleaned = without_boilerplate(
                    cleaned, settings.similarity, settings.boilerplate_from, settings.min_content_characters
                )
            assignment = assign_rows(
                cleaned, settings.similarity, settings.shard_rows, settings.held_out_rows, settings.seed
            )
            _check_shards(spec.store.at(spec.path), assignment.splits.shards, settings.expected_shards)
            figures = _add_files(draft, cleaned, assignment, tokenizer, settings.seed)
        seconds = time.monotonic() - started
        return {
            **figures,
            "shard_rows": settings.shard_rows,
            "seconds": round(seconds, 2),
            "rows_per_second": round(cleaned.read / seconds, 1),
            "source": source_identity,
        }

    spec = _spec(settings, store, tokenizer_file, source_identity)
    made = Catalogue(artifact.make_once(spec, build))
    _check_shards(made.artifact.url, made.shards, settings.expected_shards)


def _tokenizer_file(folder: str) -> Path | None:
    if not folder:
        return None
    path = Path(folder) / "tokenizer.json"
    if not path.is_file():
        raise ConfigurationError(
            f"there is no file {path}: --tokenizer (SKUSCRIBE_TOKENIZER) must name a folder with tokenizer.json"
        )
    return path


def _load_tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises no narrower type
        raise ConfigurationError(
            f"{path} is not the file of a tokenizer ({error}): --tokenizer (SKUSCRIBE_TOKENIZER) must name a folder with an "
            "intact tokenizer.json"
        ) from error


def _spec(settings: Settings, store: Store, tokenizer_file: Path | None, source_identity: str | None) -> Spec:
    """Return the catalogue to make. The digest of its rows is known if a catalogue exists, else only once they are read.

    The rows of an existing catalogue are read again only if the source may have changed since.
    """
    path = layout.catalogue_path(settings.catalogue)
    unset = {name for name in IN_CONFIG_IF_SET if not getattr(settings, name)}
    config = settings.model_dump(exclude=NOT_IN_CONFIG | unset)
    inputs = {"tokenizer": file_sha256(tokenizer_file)} if tokenizer_file else {}
    spec = Spec(store, path, Kind.CATALOGUE, config, inputs, added_inputs=("rows",), later=LATER)
    existing = artifact.find(store, path)
    if existing is None:
        return spec
    rows_digest = existing.manifest.inputs.get("rows", "")
    if source_identity is None or existing.manifest.figures.get("source") != source_identity:
        with sources.opened(settings.input) as source:
            rows_digest = source.drain()
    return replace(spec, inputs={**inputs, "rows": rows_digest}, added_inputs=())


def _clean(settings: Settings, folder: Path) -> tuple[CleanedRows, str]:
    """Clean all rows of the input into files in `folder`. Returns them, and the SHA-256 of the bytes of the input."""
    pa.set_memory_pool(pa.system_memory_pool())  # returns freed memory: a third less than Arrow's own pool
    chosen = Fields(settings.title_field, settings.content_field, settings.uid_field)
    is_csv = sources.is_named(settings.input, ".csv", ".tsv")
    with (
        sources.opened(settings.input) as source,
        uncompressed(source) as stream,
        read_rows(stream, source.address, chosen, settings.max_row_bytes, ("title", "content"), is_csv=is_csv) as rows,
    ):
        if rows.fields != DEFAULT_FIELDS:
            log.info("fields", format=rows.format, **vars(rows.fields))
        rules = CleaningRules(
            settings.profile,
            settings.max_row_bytes,
            settings.min_content_characters,
            settings.max_content_characters,
            rows.fields,
        )
        cleaned_chunks = ordered(partial(clean_chunk, rules=rules), rows.chunks, settings.processes)
        with log.progress("clean", None, "rows") as progress:
            cleaned = write_cleaned_rows(cleaned_chunks, folder, progress.advance)
        digest = source.drain()
        _check_cleaned(cleaned, rows, source.address, settings.max_unreadable)
    return cleaned, digest


def _check_cleaned(cleaned: CleanedRows, rows: RawRows, address: str, max_unreadable: float) -> None:
    """Errors: `InputError` (65) if too many rows are unreadable, or none can be used. A few unreadable ones are a warning."""
    if not cleaned.read:
        raise InputError(f"{address} has no rows: expected JSON Lines, a JSON array of objects, CSV or Parquet")
    counts = {reason: count for reason, count in cleaned.reject_counts.items() if reason in UNREADABLE}
    unreadable = sum(counts.values())
    if cleaned.cleaned and not unreadable:
        return
    looks, is_readable = rows.appearance(), unreadable <= max_unreadable * cleaned.read
    hint = f". It looks like {looks}" if looks else ""
    if is_readable and not cleaned.cleaned:
        raise InputError(
            f"{address}: none of {cleaned.read:,} rows can be used ({_listed(cleaned.reject_counts)}); expected objects such "
            f'as {{"uid": "1", "title": "...", "content": "..."}}, found the fields {shown_names(rows.names)} (--title-field and '
            f"--content-field name others){hint}"
        )
    example = cleaned.first_rejects[max(counts, key=counts.__getitem__)]
    begins_with = example.text[:_SHOWN_CHARACTERS]
    if not is_readable:
        raise InputError(
            f"{address}: {unreadable:,} of {cleaned.read:,} rows are unreadable ({_listed(counts)}), expected at most the "
            f"fraction {max_unreadable:g} (--max-unreadable); row {example.row:,} begins with {begins_with!r}{hint}"
        )
    log.warning(
        "unreadable rows rejected",
        unreadable=unreadable,
        read=cleaned.read,
        reasons=_listed(counts),
        row=example.row,
        begins_with=begins_with,
    )


def _add_files(
    draft: Draft, cleaned: CleanedRows, assignment: Assignment, tokenizer: Tokenizer | None, seed: int
) -> dict[str, Any]:
    """Write and upload the files one at a time, so that the disk holds one of them. Returns the figures of the catalogue."""
    values = statistics(cleaned, assignment, tokenizer, seed)
    _log_rejected(values["rejected"], cleaned.read)
    rejects = cleaned.folder / layout.REJECTS_FILE
    write_rejects(cleaned, assignment, rejects)
    draft.add(layout.REJECTS_FILE, rejects)
    draft.add_bytes(layout.STATISTICS_FILE, json.dumps(values, indent=1).encode())
    with log.progress("write", assignment.splits.shards + 1, "files") as progress:
        for name, file in write_products(cleaned, assignment, seed, cleaned.folder):
            draft.add(name, file)
            progress.advance()
    return {
        **values["rows"],
        "shards": assignment.splits.shards,
        "held_out": values["held_out"],
        "clusters": values["clusters"]["count"],
        "duplicates_exact": values["duplicates"]["exact"],
        "duplicates_near": values["duplicates"]["near"],
        "boilerplate": values["boilerplate"]["sentences"],
    }


def _log_rejected(counts: Mapping[str, int], read: int) -> None:
    """Log how many rows are left out, and why. Many repeated uids are a warning: their field may identify no product."""
    if counts:
        log.info("rows rejected", rejected=sum(counts.values()), read=read, reasons=_listed(counts))
    repeated = counts.get(DUPLICATE_UID, 0)
    if repeated > MAX_REPEATED_UIDS * read:
        log.warning(
            "rows with the uid of an earlier row rejected",
            rejected=repeated,
            read=read,
            remedy="--uid-field names the field that is different for each product",
        )


def _check_shards(url: str, shards: int, expected: int | None) -> None:
    """Errors: `ConfigurationError` (78) if a catalogue has another number of shards than expected."""
    if expected is not None and shards != expected:
        raise ConfigurationError(
            f"{url} has {shards} shards, expected {expected}: change --expected-shards "
            "(SKUSCRIBE_EXPECTED_SHARDS) or --shard-rows, or omit it"
        )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(counts.items(), key=lambda item: -item[1]))
