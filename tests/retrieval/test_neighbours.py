"""Neighbours of a title: the nearest, of the right splits, never the product's own text."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobs.database.connection import session
from jobs.index import job as index
from jobs.index import settings as index_settings
from jobs.process.errors import NotReadyError
from jobs.retrieval import neighbours as retrieval
from jobs.retrieval.encoder import Encoder
from jobs.retrieval.neighbours import Neighbour, Query, neighbours, text_of
from jobs.storage.store import Store
from tests.factories import product, write_catalogue

if TYPE_CHECKING:
    from jobs.database.connection import Connection


@pytest.fixture
def connection(store: Store, database: str) -> Iterator["Connection"]:
    write_catalogue(store, shards=1, rows_per_shard=80, held_out=20)
    index.run(index_settings.Settings(store=store.url))
    with session(read_only=True) as found:
        yield found


def asked(number: int) -> Query:
    found = product(number, "train")
    return Query(found.uid, found.cluster, found.title)


def test_neighbours_are_the_nearest_of_the_training_rows(connection: "Connection") -> None:
    queries = [asked(85), asked(40), Query(None, None, product(33, "train").title)]
    vectors = Encoder().encode([query.title for query in queries])
    found = neighbours(connection, "main", queries, vectors, k=5)
    assert [len(items) for items in found] == [5, 5, 5]
    for items in found:
        similarities = [item.similarity for item in items]
        assert similarities == sorted(similarities, reverse=True)
        assert all(8 <= int(item.uid[1:]) < 80 for item in items), "test and held-out rows are left out"
    assert "P000040" not in [item.uid for item in found[1]]
    assert found[2][0].uid == "P000033"


def test_a_similarity_is_the_cosine_of_both_texts(connection: "Connection") -> None:
    from jobs.retrieval.encoder import text_to_embed

    encoder = Encoder()
    (found,) = neighbours(connection, "main", [Query(None, None, "green lamp")], encoder.encode(["green lamp"]), k=1)
    texts = ["green lamp", text_to_embed(found[0].title, found[0].content)]
    one, other = encoder.encode(texts)
    assert found[0].similarity == pytest.approx(float(one @ other), abs=2e-3)


def test_the_own_cluster_is_left_out_and_other_splits_are_used_when_asked_for(connection: "Connection") -> None:
    vectors = Encoder().encode([product(85, "held-out").title])
    query = Query(None, 85, product(85, "held-out").title)
    (found,) = neighbours(connection, "main", [query], vectors, k=100, splits=("held-out",))
    assert {item.uid for item in found} == {f"P{number:06d}" for number in range(80, 100)} - {"P000085"}


def test_a_catalogue_that_is_not_indexed_is_not_ready(connection: "Connection") -> None:
    with pytest.raises(NotReadyError, match="skuscribe index --catalogue other"):
        neighbours(connection, "other", [asked(1)], np.zeros((1, 384), np.float32), k=1)


def test_a_database_without_tables_is_not_ready(database: str) -> None:
    with session() as connection, pytest.raises(NotReadyError, match="skuscribe index"):
        neighbours(connection, "main", [asked(1)], np.zeros((1, 384), np.float32), k=1)


def test_vectors_of_another_encoder_are_refused(connection: "Connection") -> None:
    with pytest.raises(NotReadyError, match=r"384 dimensions .*the query has 12"):
        neighbours(connection, "main", [asked(1)], np.zeros((1, 12), np.float32), k=1)


def test_a_neighbour_in_the_prompt_is_cut_at_whole_words() -> None:
    found = Neighbour("a", "Desk", " ".join(str(number) for number in range(100)), 0.5)
    assert text_of(found, words=3) == "Desk. 0 1 2"
    assert len(text_of(found).split()) == 1 + retrieval.TEXT_WORDS
