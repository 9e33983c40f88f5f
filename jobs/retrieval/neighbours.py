"""Nearest neighbours of product titles in the index of a catalogue, and their texts in a prompt.

Neighbours are training rows only, so that no test or held-out text reaches a prompt. The product itself and its
duplicates (the products of its cluster) are never among them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pgvector import HalfVector

from jobs.database.connection import Connection
from jobs.database.repeat import repeated
from jobs.process.errors import ConfigurationError
from jobs.retrieval.encoder import Encoder
from jobs.retrieval.search_index import SearchIndex, require_same_index
from jobs.storage.catalogue import TRAIN, Title

SEARCH_ROWS = 512
_NEAREST = (
    "SELECT uid, title, content, similarity "
    "FROM skuscribe.nearest_to(%(catalogue)s, %(vector)s, %(k)s, %(splits)s, %(cluster)s, %(uid)s)"
)
MAX_TIES = 8
"""Products as near as the last neighbour, as duplicates are, that are looked at. The index returns them in any order."""

PROMPT_TEXT_WORDS = 40


@dataclass(frozen=True)
class Neighbour:
    """A product near a title. `similarity` is the cosine of the two vectors, -1 to 1."""

    uid: str
    title: str
    content: str
    similarity: float


class NeighbourSearch:
    """Searches an index with the encoder that it was built with. The first search loads the encoder.

    Errors: `ConfigurationError` (78) if the index was built with another encoder.
    """

    def __init__(self, index: SearchIndex, encoder: str, count: int) -> None:
        self._index, self._count = index, count
        self._encoder = Encoder(encoder)
        if self._encoder.digest != index.encoder_digest:
            raise ConfigurationError(
                f"the catalogue {index.catalogue!r} was indexed with another encoder than --encoder {encoder}: pass the "
                "encoder of the index, or index the catalogue again"
            )

    def of(self, titles: Sequence[Title], safe_point: Callable[[], None] = lambda: None) -> list[list[Neighbour]]:
        """Return the neighbours of each title, nearest first; none for a title with an error.

        `safe_point()` is called before each search of `SEARCH_ROWS` titles.
        """
        neighbours: list[list[Neighbour]] = [[] for _ in titles]
        valid = [row for row, title in enumerate(titles) if title.error is None]
        for start in range(0, len(valid), SEARCH_ROWS):
            safe_point()
            rows = valid[start : start + SEARCH_ROWS]
            for row, nearest in zip(rows, self._search([titles[row] for row in rows]), strict=True):
                neighbours[row] = nearest
        return neighbours

    def _search(self, titles: Sequence[Title]) -> list[list[Neighbour]]:
        vectors = self._encoder.encode([title.title for title in titles])
        return repeated(lambda connection: self._nearest(connection, titles, vectors), read_only=True)

    def _nearest(self, connection: Connection, titles: Sequence[Title], vectors: np.ndarray) -> list[list[Neighbour]]:
        """Return the neighbours of all titles, in one transaction, so that the index is not replaced meanwhile."""
        with connection.transaction():
            require_same_index(connection, self._index)
            clusters = self._clusters(connection, titles)
            searches = [
                (_NEAREST, self._values(title, cluster, vector))
                for title, cluster, vector in zip(titles, clusters, vectors, strict=True)
            ]
            found = [[Neighbour(*row) for row in rows] for rows in connection.execute_all(*searches)]
        return [sorted(items, key=lambda item: (-item.similarity, item.uid))[: self._count] for items in found]

    def _values(self, title: Title, cluster: int | None, vector: np.ndarray) -> dict[str, Any]:
        return {
            "catalogue": self._index.catalogue, "vector": HalfVector(vector), "k": self._count + MAX_TIES,
            "splits": [TRAIN], "cluster": cluster, "uid": title.known_uid,
        }  # fmt: skip

    def _clusters(self, connection: Connection, titles: Sequence[Title]) -> list[int | None]:
        """Return each title's cluster, looked up in the catalogue where only the product's uid is known."""
        uids = [title.known_uid for title in titles if title.known_uid is not None and title.cluster is None]
        query = "SELECT uid, cluster FROM skuscribe.product WHERE catalogue = %s AND uid = ANY (%s)"
        known: dict[str, int] = {}
        if uids:
            known = dict(connection.execute(query, [self._index.catalogue, uids]).fetchall())
        return [known.get(title.known_uid or "") if title.cluster is None else title.cluster for title in titles]


def prompt_texts(neighbours: Sequence[Neighbour]) -> list[str]:
    """Return what a prompt says of each neighbour: its title and the first `PROMPT_TEXT_WORDS` words of its content."""
    return [f"{neighbour.title}. {_first_words(neighbour.content)}" for neighbour in neighbours]


def _first_words(text: str) -> str:
    return " ".join(text.split(maxsplit=PROMPT_TEXT_WORDS)[:PROMPT_TEXT_WORDS])
