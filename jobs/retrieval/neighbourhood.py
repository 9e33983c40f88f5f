"""The neighbours of titles, found in the index of a catalogue with the encoder that made it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jobs.database import connection as database
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.retrieval import neighbours as retrieval
from jobs.retrieval.encoder import Encoder
from jobs.retrieval.neighbours import Neighbour, Query
from jobs.storage.artifact import digest_of
from jobs.storage.catalogue import Title
from jobs.t5.prompt import prompt

SEARCH_ROWS = 512


def prompt_with(title: str, near: Sequence[Neighbour]) -> str:
    """The prompt for a title that is shown the texts of its neighbours."""
    return prompt(title, [retrieval.text_of(item) for item in near])


@dataclass(frozen=True)
class Index:
    """What a catalogue is searched with. `digest` changes with its products, its encoder and how it was built."""

    catalogue: str
    encoder_digest: str
    digest: str


def find(catalogue: str) -> Index:
    """The index of a catalogue. Errors: `NotReadyError` (75) where it has not been built."""
    with database.session(read_only=True) as connection:
        row = None
        if database.migrated(connection):
            row = connection.execute(database.statement("standing_index"), {"catalogue": catalogue}).fetchone()
    if row is None:
        raise NotReadyError(
            f"the catalogue {catalogue!r} is not indexed yet: `skuscribe index --catalogue {catalogue}` does it"
        )
    _generation, _rows, ef_search, _recall, *made_from = row
    return Index(catalogue, str(made_from[1]), digest_of([*made_from, ef_search]))


class Neighbourhood:
    """Finds the neighbours of titles; the encoder is loaded once, at the first search."""

    def __init__(self, index: Index, encoder: str, count: int) -> None:
        self._index, self._count = index, count
        self._encoder = Encoder(encoder)
        if self._encoder.digest != index.encoder_digest:
            raise ConfigurationError(
                f"the catalogue {index.catalogue!r} is indexed with another encoder than --encoder {encoder}: "
                "name the one that `skuscribe index` was given, or index again"
            )

    def of(self, titles: Sequence[Title]) -> list[list[Neighbour]]:
        """The neighbours of each title, nearest first, without the product itself and its cluster.

        A title with an error has none.
        """
        found: list[list[Neighbour]] = [[] for _ in titles]
        asked = [row for row, title in enumerate(titles) if title.error is None]
        for start in range(0, len(asked), SEARCH_ROWS):
            rows = asked[start : start + SEARCH_ROWS]
            vectors = self._encoder.encode([titles[row].title for row in rows])
            with database.session(read_only=True) as connection:
                known = self._with_clusters(connection, [titles[row] for row in rows])
                queries = [Query(title.known_uid, title.cluster, title.title) for title in known]
                lists = retrieval.neighbours(connection, self._index.catalogue, queries, vectors, self._count)
            for row, item in zip(rows, lists, strict=True):
                found[row] = item
        return found

    def _with_clusters(self, connection: "database.Connection", titles: Sequence[Title]) -> list[Title]:
        """The titles of a file with the clusters of those products that the catalogue knows."""
        uids = [title.known_uid for title in titles if title.known_uid is not None and title.cluster is None]
        if not uids:
            return list(titles)
        asked = {"catalogue": self._index.catalogue, "uids": uids}
        clusters: dict[str, int] = dict(connection.execute(database.statement("clusters_of"), asked).fetchall())
        return [
            replace(title, cluster=clusters.get(title.known_uid or "")) if title.cluster is None else title
            for title in titles
        ]
