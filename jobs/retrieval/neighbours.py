"""The neighbours of a title: what the model is shown beside it.

By default they come from training rows alone, so that no test or held-out text finds its way into an answer, and they
never include the product itself or its cluster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.database import connection as database
from jobs.process.errors import NotReadyError
from jobs.storage.catalogue import TRAIN

if TYPE_CHECKING:
    import numpy as np

    from jobs.database.connection import Connection

TEXT_WORDS = 40


@dataclass(frozen=True)
class Query:
    """A title to find neighbours for. `uid` and `cluster` are those of the product, where it is of the catalogue."""

    uid: str | None
    cluster: int | None
    title: str


@dataclass(frozen=True)
class Neighbour:
    """A product that was found. `similarity` is the cosine of its vector and that of the query, -1 to 1."""

    uid: str
    title: str
    content: str
    similarity: float


def neighbours(
    connection: "Connection",
    catalogue: str,
    queries: Sequence[Query],
    vectors: "np.ndarray",
    k: int,
    splits: Sequence[str] = (TRAIN,),
) -> list[list[Neighbour]]:
    """The `k` products nearest to each query, nearest first; fewer where the splits hold fewer.

    `vectors`: the embeddings of the queries' titles, float32, shape (len(queries), dimensions).
    Errors: `NotReadyError` (75) where the catalogue is not indexed, or its vectors have another number of dimensions.
    """
    from pgvector import HalfVector

    with database.translated():
        _require_index(connection, catalogue, vectors.shape[1])
        search = database.statement("nearest")
        found = []
        with connection.transaction():
            for query, vector in zip(queries, vectors, strict=True):
                asked = {
                    "catalogue": catalogue, "vector": HalfVector(vector), "k": k, "splits": list(splits),
                    "cluster": query.cluster, "uid": query.uid,
                }  # fmt: skip
                found.append([Neighbour(*row) for row in connection.execute(search, asked)])
    return found


def text_of(neighbour: Neighbour, words: int = TEXT_WORDS) -> str:
    """What the prompt says of a neighbour: its title and the first `words` words of its content."""
    return f"{neighbour.title}. {' '.join(neighbour.content.split(maxsplit=words)[:words])}"


def _require_index(connection: "Connection", catalogue: str, dimensions: int) -> None:
    row = None
    if database.migrated(connection):
        row = connection.execute(database.statement("search_settings"), {"catalogue": catalogue}).fetchone()
    if row is None:
        raise NotReadyError(
            f"the catalogue {catalogue!r} is not indexed yet: `skuscribe index --catalogue {catalogue}` does it"
        )
    if row[0] != dimensions:
        raise NotReadyError(
            f"the catalogue {catalogue!r} is indexed with vectors of {row[0]} dimensions ({row[1]}), the query has {dimensions}: "
            "use the same --encoder, or index again"
        )
