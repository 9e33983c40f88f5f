"""The index of a catalogue in Postgres that neighbours are searched in: which one it is, and whether it is still the same."""

from dataclasses import dataclass
from typing import Any

from jobs.database.connection import Connection, statement
from jobs.database.migrations import is_migrated
from jobs.database.repeat import repeated
from jobs.process.errors import NotReadyError
from jobs.storage.manifest import digest_of

_FORMER_EF_SEARCH = (40, 80, 120, 200, 320, 500, 800)
"""What earlier versions chose ef_search from. It was part of the digest of an index, although it differs between builds of the same
products with the same parameters."""


@dataclass(frozen=True)
class SearchIndex:
    """The index of a catalogue. `digest` changes with its products, its encoder and the parameters of its build.

    `former_digests` are those under which earlier versions may have recorded it as an input.
    """

    catalogue: str
    catalogue_digest: str
    encoder_digest: str
    digest: str
    former_digests: tuple[str, ...]


def find_index(catalogue: str, catalogue_digest: str) -> SearchIndex:
    """Return the index of a catalogue. Errors: `NotReadyError` (75) if the catalogue of this digest is not indexed yet."""
    row = repeated(lambda connection: _current_index(connection, catalogue), read_only=True)
    if row is None:
        raise NotReadyError(
            f"the catalogue {catalogue!r} is not indexed yet: run `skuscribe index --catalogue {catalogue}`"
        )
    found = _index_of(catalogue, row)
    if found.catalogue_digest != catalogue_digest:
        raise NotReadyError(
            f"the index of the catalogue {catalogue!r} has other products, those of an earlier version of it: run "
            f"`skuscribe index --catalogue {catalogue}`"
        )
    return found


def _index_of(catalogue: str, row: tuple[Any, ...]) -> SearchIndex:
    _generation, _rows, _ef_search, _recall, *config = row
    catalogue_digest, encoder_digest, _m, _ef_construction = config
    former = tuple(digest_of([*config, ef_search]) for ef_search in _FORMER_EF_SEARCH)
    return SearchIndex(catalogue, str(catalogue_digest), str(encoder_digest), digest_of(config), former)


def _current_index(connection: Connection, catalogue: str) -> tuple[Any, ...] | None:
    if not is_migrated(connection):
        return None
    return connection.execute(statement("current_index"), {"catalogue": catalogue}).fetchone()


def require_same_index(connection: Connection, index: SearchIndex) -> None:
    """Check that no index of other products, another encoder or other parameters has replaced this one.

    None can replace it until the end of the transaction either. Errors: `NotReadyError` (75).
    """
    _, found = connection.execute_all(
        ("LOCK TABLE skuscribe.product IN ACCESS SHARE MODE", None),  # a build that is published needs an exclusive one
        (statement("current_index"), {"catalogue": index.catalogue}),
    )
    row = found.fetchone()
    if row is None or _index_of(index.catalogue, row) != index:
        raise NotReadyError(
            f"the catalogue {index.catalogue!r} was indexed again, with other products, another encoder or other "
            "parameters, while this job ran: run it again"
        )
