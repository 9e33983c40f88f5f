"""Raw product rows to a catalogue: cleaned shards, a held-out set, rejects and statistics.

Reads JSON Lines or a JSON array of {uid, title, content}, gzipped or not, from a path, http(s):// or s3://.
Writes catalogue/NAME: shard-00000.parquet ..., held-out.parquet, rejects.parquet, statistics.json.
The same rows and settings give the same bytes, on any number of cores.

    skuscribe prepare --input trn.json.gz --catalogue main
"""

import json
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.prepare.cleaned_rows import CleanedRows, Rules, cleaned_chunk, spill
from jobs.prepare.settings import Settings
from jobs.process import folders, log
from jobs.process.errors import ConfigurationError, InputError
from jobs.storage import artifact, catalogue, layout
from jobs.storage.store import Store, file_sha256

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jobs.prepare.catalogue_files import Placement

TEST_SHARE = 0.05
HELD_OUT_SHARE = 0.05


def run(settings: Settings) -> None:
    """Make the catalogue, unless it stands already. Errors: 65 no usable rows, 75 out of reach, 78 made otherwise, other shards."""
    from jobs.storage import sources

    started = time.monotonic()
    store = Store(settings.store)
    tokenizer_file = _tokenizer_file(settings.tokenizer)
    inputs = {"tokenizer": file_sha256(tokenizer_file)} if tokenizer_file else {}
    decisive = settings.model_dump(exclude={"store", "input", "catalogue", "tokenizer", "processes", "expected_shards"})
    source = sources.identity(settings.input)
    if not _stands(store, settings, decisive, inputs, source):
        with folders.temporary_folder() as folder:
            cleaned, inputs["rows"] = _clean(settings, folder)
            placement = _place(settings, cleaned)
            figures = _publish(store, settings, decisive, inputs, cleaned, placement, tokenizer_file, source, started)
        log.info("catalogue made", catalogue=store.at(layout.catalogue_path(settings.catalogue)), **figures)
    _check_shards(store, settings)


def _check_shards(store: Store, settings: Settings) -> None:
    """Errors: `ConfigurationError` (78) where the catalogue, which stands, has another number of shards than expected."""
    found, expected = catalogue.require(store, settings.catalogue).shards, settings.expected_shards
    if expected not in (None, found):
        raise ConfigurationError(
            f"catalogue {settings.catalogue!r} stands and has {found} shards, {expected} were expected: the jobs after this "
            f"one have to be set to {found} (`shards: {found}` in the chart's values)"
        )


def _stands(
    store: Store, settings: Settings, decisive: Mapping[str, Any], inputs: Mapping[str, str], source: str | None
) -> bool:
    """Whether the catalogue stands, made of these rows. They are read again only where the source may have changed."""
    from jobs.storage import sources

    path = layout.catalogue_path(settings.catalogue)
    standing = artifact.find(store, path)
    if standing is None:
        return False
    rows_sha256 = standing.manifest.inputs.get("rows", "")
    if source is None or standing.manifest.figures.get("source") != source:
        with sources.opened(settings.input) as stream:
            rows_sha256 = stream.drain()
    found = artifact.done(store, path, decisive, {**inputs, "rows": rows_sha256})
    if found is None:
        return False
    log.info("already done", catalogue=store.at(path), kept=found.manifest.figures["kept"])
    return True


def _clean(settings: Settings, folder: Path) -> tuple[CleanedRows, str]:
    """All rows cleaned, and the SHA-256 of the input's bytes."""
    import pyarrow as pa

    from jobs.prepare.rows import chunks
    from jobs.process.parallel import ordered
    from jobs.storage import sources

    pa.set_memory_pool(pa.system_memory_pool())  # gives back what it frees: a third less memory than Arrow's own
    rules = Rules(
        settings.profile, settings.max_row_bytes, settings.min_content_characters, settings.max_content_characters
    )
    with sources.opened(settings.input) as source, log.progress("clean", None, "rows") as progress:
        pieces = chunks(sources.uncompressed(source), settings.max_row_bytes, source.address)
        results = ordered(partial(cleaned_chunk, rules=rules), pieces, settings.processes)
        cleaned = spill(results, folder, progress.advance)
        digest = source.drain()
    if not cleaned.read:
        raise InputError(f"{source.address} has no rows: JSON Lines or a JSON array of objects was expected")
    if not cleaned.kept:
        raise InputError(
            f"{source.address}: none of {cleaned.read:,} rows can be used ({_listed(cleaned.reasons)}); "
            'each should be an object such as {"uid": "1", "title": "...", "content": "..."}'
        )
    return cleaned, digest


def _place(settings: Settings, cleaned: CleanedRows) -> "Placement":
    """Find the clusters, then deal them out."""
    import numpy as np

    from jobs.prepare import near_duplicates, splits
    from jobs.prepare.catalogue_files import Placement

    alive = _first_of_each(cleaned.uid_hashes)
    labels = near_duplicates.clusters(cleaned.signature_file, cleaned.content_hashes, alive, settings.similarity)
    placed = cleaned.rows[labels]
    rows = np.flatnonzero(alive)
    at_least = 1 if len(rows) >= 3 else 0  # one to train with, one to test with, one that nobody has seen
    held_out_rows = min(settings.held_out_rows, max(at_least, int(len(rows) * HELD_OUT_SHARE)))
    dealt = splits.assign(
        np.searchsorted(rows, labels[rows]), settings.shard_rows, held_out_rows, TEST_SHARE, settings.seed
    )
    shard = np.full(len(alive), splits.HELD_OUT_SHARD, dtype=np.int32)
    test = np.zeros(len(alive), dtype=bool)
    shard[rows], test[rows] = dealt.shard, dealt.test
    return Placement(alive, placed, splits.Splits(shard, test, dealt.shards))


def _publish(
    store: Store,
    settings: Settings,
    decisive: Mapping[str, Any],
    inputs: Mapping[str, str],
    cleaned: CleanedRows,
    placement: "Placement",
    tokenizer_file: Path | None,
    source: str | None,
    started: float,
) -> dict[str, log.Field]:
    """Write the files one by one, and commit. Returns the figures."""
    from jobs.prepare.catalogue_files import write_products, write_rejects
    from jobs.prepare.statistics import statistics

    path = layout.catalogue_path(settings.catalogue)
    found = statistics(cleaned, placement, tokenizer_file, settings.seed)
    with (
        artifact.draft(store, path, layout.Kind.CATALOGUE, decisive, inputs) as draft,
        log.progress("write", placement.splits.shards + 1, "files") as progress,
    ):
        rejects = cleaned.folder / layout.REJECTS_FILE
        write_rejects(cleaned, placement, rejects)
        draft.add(layout.REJECTS_FILE, rejects)
        draft.add_bytes(layout.STATISTICS_FILE, json.dumps(found, indent=1).encode())
        for name, file in write_products(cleaned, placement, settings.seed, cleaned.folder):
            draft.add(name, file)
            progress.advance()
        seconds = time.monotonic() - started
        figures: dict[str, log.Field] = {
            **found["rows"],
            "shards": placement.splits.shards,
            "shard_rows": settings.shard_rows,
            "held_out": found["held_out"],
            "clusters": found["clusters"]["count"],
            "duplicates_exact": found["duplicates"]["exact"],
            "duplicates_near": found["duplicates"]["near"],
            "seconds": round(seconds, 2),
            "rows_per_second": round(cleaned.read / seconds, 1),
        }
        draft.commit({**figures, "source": source})
    return figures


def _first_of_each(hashes: "NDArray[np.uint64]") -> "NDArray[np.bool_]":
    """Which values come for the first time, shape (n,). Two uids of one 64-bit hash: one in 10^7 at two million rows."""
    import numpy as np

    first = np.zeros(len(hashes), dtype=bool)
    first[np.unique(hashes, return_index=True)[1]] = True
    return first


def _tokenizer_file(folder: str) -> Path | None:
    if not folder:
        return None
    path = Path(folder) / "tokenizer.json"
    if not path.is_file():
        raise ConfigurationError(f"there is no {path}: --tokenizer takes a folder that holds tokenizer.json")
    return path


def _listed(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1]))
