"""The views and functions for people, queried as the read-only role."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from jobs.database.connection import Connection, formatted, session, statement
from jobs.database.migrations import migrate
from jobs.index import job as index
from jobs.index import settings as index_settings
from jobs.local import postgres
from jobs.storage.store import Store
from tests.database.roles import reader as connect_as_reader
from tests.database.roles import superuser
from tests.factories import product
from tests.index.catalogues import HELD_OUT, PRODUCTS, commit

pytestmark = pytest.mark.slow

DUPLICATE = replace(PRODUCTS[7], uid="DUPLICATE", row=900)
OUTLIER = replace(
    product(901, "train"), uid="OUTLIER", title="σφάλμα 0x80070057", content="zzz qqq 00 11 ## ~~", row=902
)

HNSW_SETTINGS = ("ef_search", "iterative_scan", "max_scan_tuples", "scan_mem_multiplier")

HNSW: dict[str, sql.Composable] = {
    "index": sql.Identifier("product_1_1_hnsw"), "table": sql.Identifier("product_1_1"),
    "dimensions": sql.Literal(6), "m": sql.Literal(16), "ef_construction": sql.Literal(64),
}  # fmt: skip


@pytest.fixture
def reader(store: Store, database: str, environment: dict[str, str]) -> Iterator["psycopg.Connection[Any]"]:
    commit(store, [*PRODUCTS, DUPLICATE, OUTLIER], HELD_OUT)
    index.run(index_settings.Settings(store=store.url))
    with session() as owner:
        for number, flags in ((60, []), (61, ["repeated"]), (62, ["repeated", "invented-number"])):
            owner.execute(statement("write_description"), description(number, flags))
    with connect_as_reader(environment, database) as connection:
        yield connection


def test_a_search_changes_no_setting_of_its_caller(reader: "psycopg.Connection[Any]") -> None:
    """Also as the first use of pgvector in a session, when its settings are not defined yet."""

    def settings() -> list[Any]:
        return [reader.execute(f"SHOW hnsw.{name}".encode()).fetchone() for name in HNSW_SETTINGS]

    with reader.transaction():
        assert reader.execute(
            "SELECT count(*) FROM skuscribe.product p, skuscribe.nearest_to('main', p.embedding, 2) n WHERE p.uid = 'P000007'"
        ).fetchone() == (2,)
        assert settings() == [("40",), ("off",), ("20000",), ("1",)]
    with reader.transaction():
        reader.execute("SET LOCAL hnsw.ef_search = 77")
        reader.execute("SELECT * FROM skuscribe.nearest('main', 'P000007')")
        assert settings() == [("77",), ("off",), ("20000",), ("1",)]


def description(number: int, flags: list[str]) -> dict[str, Any]:
    return {
        "batch": "main", "uid": f"P{number:06d}", "catalogue": "main", "title": "A title", "description": f"Text {number}.",
        "flags": flags, "published": not flags, "neighbours": ["P000002", "P000001", "GONE"],
        "neighbour_similarities": [0.9, 0.8, 0.7], "repetition": 0.0, "grounding": 1.0, "copying": 0.1, "length_words": 2,
        "ended": True, "model_digest": "abc", "retries": 0, "error": None, "probability": None, "evidence": Jsonb({}),
    }  # fmt: skip


def test_each_view_and_function_returns_what_its_comment_says(reader: "psycopg.Connection[Any]") -> None:
    """All are tested on one index, which takes seconds to build."""

    def select(query: str) -> list[tuple[Any, ...]]:
        return reader.execute(query.encode()).fetchall()

    # coverage
    assert select("SELECT split, products, embedded, missing, clusters FROM skuscribe.coverage") == [
        ("held-out", 10, 10, 0, 10), ("test", 6, 6, 0, 6), ("train", 56, 56, 0, 55),
    ]  # fmt: skip

    # dimensions and norms
    ((dimensions, vectors, shortest, longest),) = select(
        "SELECT dimensions, vectors, shortest, longest FROM skuscribe.norms"
    )
    assert (dimensions, vectors) == (384, 72)
    assert 0.99 < shortest <= longest < 1.01

    # nearest neighbours of a product: its duplicate is first, it is not among them itself
    found = select("SELECT uid, same_cluster, similarity FROM skuscribe.nearest('main', 'P000007', 5)")
    assert len(found) == 5
    assert found[0][:2] == ("DUPLICATE", True)
    assert found[0][2] == pytest.approx(1.0, abs=1e-3)
    assert "P000007" not in [uid for uid, _, _ in found]
    assert [similarity for _, _, similarity in found] == sorted((s for _, _, s in found), reverse=True)
    others = select("SELECT uid FROM skuscribe.nearest('main', 'P000007', 5, other_clusters => true)")
    assert ("DUPLICATE",) not in others
    assert len(others) == 5
    with pytest.raises(
        psycopg.errors.NoDataFound, match=r"catalogue .main. has no product with the uid .not a uid.\n.*SELECT uid"
    ):
        select("SELECT * FROM skuscribe.nearest('main', 'not a uid')")

    # nearest to a vector, in chosen splits
    found = select(
        "SELECT n.uid, n.split FROM skuscribe.product p, "
        "skuscribe.nearest_to('main', p.embedding, 3, ARRAY['held-out']) n WHERE p.uid = 'P000062'"
    )
    assert found[0] == ("P000062", "held-out")
    assert {split for _, split in found} == {"held-out"}

    # duplicates: each pair once
    pairs = select("SELECT uid, other_uid, same_cluster FROM skuscribe.duplicates('main', at_least => 0.999)")
    assert pairs == [("DUPLICATE", "P000007", True)]

    # outliers
    assert select("SELECT uid FROM skuscribe.outliers('main', 1)") == [("OUTLIER",)]
    similarities = [row[0] for row in select("SELECT similarity_to_centroid FROM skuscribe.outliers('main', 20)")]
    assert similarities == sorted(similarities)

    # index size, recall, builds
    ((products, dimensions, recall),) = select("SELECT products, dimensions, recall_at_10 FROM skuscribe.index_size")
    assert (products, dimensions) == (72, 384)
    assert recall >= 0.99
    assert select("SELECT recall_at_10 FROM skuscribe.recall WHERE chosen") == [(recall,)]
    assert select("SELECT generation, products, vectors_new FROM skuscribe.index_builds") == [(1, 72, 71)]

    # the neighbours of a description; one that has left the catalogue has no text
    found = select("SELECT batch, rank, neighbour, similarity, title, content FROM skuscribe.grounding('P000060')")
    texts = [(PRODUCTS[number].title, PRODUCTS[number].content) for number in (2, 1)]
    assert found == [
        ("main", 1, "P000002", pytest.approx(0.9), *texts[0]),
        ("main", 2, "P000001", pytest.approx(0.8), *texts[1]),
        ("main", 3, "GONE", pytest.approx(0.7), None, None),
    ]

    # what a shop imports
    published = ("main", "main", "P000060", "A title", "Text 60.")
    assert select("SELECT batch, catalogue, uid, title, description FROM skuscribe.published") == [published]

    # reasons why descriptions were held back
    assert [tuple(map(str, row)) for row in select("SELECT reason, descriptions, share FROM skuscribe.flagged")] == [
        ("repeated", "2", "0.6667"), ("invented-number", "1", "0.3333"),
    ]  # fmt: skip


def test_writing_a_description_again_replaces_it(reader: "psycopg.Connection[Any]") -> None:
    with session() as owner:
        owner.execute(statement("write_description"), description(61, []))
    found = reader.execute("SELECT published, flags FROM skuscribe.description WHERE uid = 'P000061'").fetchall()
    assert found == [(True, [])]


def test_a_search_without_a_vector_is_an_error_that_says_what_to_do(reader: "psycopg.Connection[Any]") -> None:
    with session() as owner:
        owner.execute("UPDATE skuscribe.product SET embedding = NULL WHERE uid = 'P000007'")
    for search in ("nearest_to('main', NULL)", "nearest('main', 'P000007')"):
        with pytest.raises(psycopg.errors.NullValueNotAllowed, match=r"vector to search with is NULL[\s\S]*failure"):
            reader.execute(f"SELECT * FROM skuscribe.{search}".encode())


def test_products_at_the_same_distance_are_in_the_order_of_their_uids(reader: "psycopg.Connection[Any]") -> None:
    same = [f"P{number:06d}" for number in (41, 12, 33, 24, 5)]
    with session() as owner:
        owner.execute(
            "UPDATE skuscribe.product SET embedding = (SELECT embedding FROM skuscribe.product WHERE uid = 'P000007') "
            "WHERE uid = ANY (%s)",
            [same],
        )
    expected = [(uid,) for uid in sorted([*same, "DUPLICATE"])]
    for count in (3, 6):
        found = reader.execute("SELECT uid FROM skuscribe.nearest('main', 'P000007', %s)", [count]).fetchall()
        assert found == expected[:count]
        vector = "(SELECT embedding FROM skuscribe.product WHERE uid = 'P000007')"
        search = f"SELECT uid FROM skuscribe.nearest_to('main', {vector}, %s, not_uid => 'P000007')"
        assert reader.execute(search.encode(), [count]).fetchall() == expected[:count]


NEEDS_A_CATALOGUE = {
    "nearest_to": "skuscribe.nearest_to(%s, '[1,0,0]')", "nearest": "skuscribe.nearest(%s, 'P000007')",
    "duplicates": "skuscribe.duplicates(%s)", "outliers": "skuscribe.outliers(%s)",
    "alternatives": "skuscribe.alternatives(%s, 'red')",
}  # fmt: skip


def test_a_catalogue_that_is_not_indexed_is_an_error_and_an_empty_one_has_no_rows(
    database: str, environment: dict[str, str]
) -> None:
    catalogue = "INSERT INTO skuscribe.catalogue (catalogue, generation, dimensions, ef_search) VALUES (%s, %s, 3, 40)"
    with session() as owner:
        migrate(owner)
        owner.execute(catalogue, ["empty", 1])
        owner.execute(catalogue, ["being built", 0])
    with connect_as_reader(environment, database) as reader:
        for call in NEEDS_A_CATALOGUE.values():
            query = f"SELECT * FROM {call}".encode()
            if "P000007" not in call:  # an empty catalogue does not have this product
                assert reader.execute(query, ["empty"]).fetchall() == []
            for name in ("typo", "being built"):
                with pytest.raises(
                    psycopg.errors.NoDataFound, match=f"no catalogue '{name}' is indexed\n.*SELECT catalogue"
                ):
                    reader.execute(query, [name])


def test_the_alternatives_of_a_word_are_found_by_the_word_as_it_is_stored(database: str) -> None:
    """Python folds the case of the letters of Cherokee to capital letters, Postgres to small ones."""
    word = "ᏣᎳᎩ".casefold()
    insert = "INSERT INTO skuscribe.alternative VALUES ('main', %s, %s, 1, 'One', 'Other')"
    with session() as connection:
        migrate(connection)
        for stored, other in ((word, "red"), ("red", word)):
            connection.execute(insert, [stored, other])
        found = "SELECT other FROM skuscribe.alternatives('main', %s)"
        assert connection.execute(found, [word]).fetchall() == [("red",)]
        assert connection.execute(found, ["Red"]).fetchall() == [(word,)]


@pytest.fixture
def localized(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """A connection to a database that sorts as English does, if the system has that locale."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    create = f"CREATE DATABASE {name} OWNER {postgres.OWNER} ENCODING 'UTF8' TEMPLATE template0"
    with superuser("postgres") as administrator:
        try:
            administrator.execute(f"{create} LOCALE 'en_US.UTF-8'".encode())
        except psycopg.errors.WrongObjectType:
            administrator.execute(create.encode())
        with superuser(name) as connection:
            connection.execute("CREATE EXTENSION vector")
        monkeypatch.setenv("PGDATABASE", name)
        with session() as connection:
            yield connection
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_products_with_the_same_vector_are_sorted_by_the_code_points_of_their_uids(localized: Connection) -> None:
    uids = ["a1", "B-1", "a-1", "Z", "ä"]
    first, *others = expected = sorted(uids)
    _fill_with_one_vector(localized, uids)
    searches = {
        "nearest_to('main', '[0.6,0,0.8,0,0,0]', %s)": expected,
        f"nearest('main', '{first}', %s)": others,
        "outliers('main', %s)": expected,
    }
    for search, found_uids in searches.items():
        for k in (2, len(found_uids)):
            found = localized.execute(f"SELECT uid FROM skuscribe.{search}".encode(), [k]).fetchall()
            assert found == [(uid,) for uid in found_uids[:k]], search
    pairs = localized.execute("SELECT uid, other_uid FROM skuscribe.duplicates('main')").fetchall()
    assert pairs == list(combinations(expected, 2))
    values = {"catalogue": "main", "split": "train", "rows": [uids.index(first) + 1], "neighbours": 3, "searched": 11}
    ((_, _, _, _, titles, texts),) = localized.execute(statement("match_neighbours"), values).fetchall()
    assert titles == texts == others[:3]


def _fill_with_one_vector(connection: Connection, uids: Sequence[str]) -> None:
    migrate(connection)
    with connection.transaction():
        connection.execute("CREATE TABLE skuscribe.product_1_1 PARTITION OF skuscribe.product FOR VALUES IN ('main')")
        connection.execute(
            """
            INSERT INTO skuscribe.product
            SELECT 'main', uid, uid, uid, n, 'train', 0, n, '', '[0.6,0,0.8,0,0,0]'
            FROM unnest(%s::text[]) WITH ORDINALITY AS product (uid, n)
            """,
            [list(uids)],
        )
        connection.execute(formatted("create_hnsw", **HNSW))
        connection.execute(
            "INSERT INTO skuscribe.catalogue (catalogue, generation, dimensions, ef_search) VALUES ('main', 1, 6, 40)"
        )


def test_a_search_finds_the_nearest_of_a_rare_split_whatever_the_settings_of_the_session(database: str) -> None:
    """Ten of 5,000 products are held out: the index returns thousands of others before the last of them."""
    with session() as connection:
        migrate(connection)
        with connection.transaction():
            connection.execute("CREATE TABLE skuscribe.product_1_1 (LIKE skuscribe.product INCLUDING INDEXES)")
            connection.execute(
                """
                INSERT INTO skuscribe.product_1_1
                SELECT 'main', 'P' || n, '', '', n, CASE WHEN n > 4990 THEN 'held-out' ELSE 'train' END, 0, n, '',
                       ARRAY[sin(n), sin(n * 1.3), sin(n * 1.7), sin(n * 2.3), sin(n * 2.9), sin(n * 3.1)]::real[]::halfvec
                FROM generate_series(1, 5000) AS n
                """
            )
            connection.execute(formatted("create_hnsw", **HNSW))
            connection.execute(
                "ALTER TABLE skuscribe.product ATTACH PARTITION skuscribe.product_1_1 FOR VALUES IN ('main')"
            )
            connection.execute(
                "INSERT INTO skuscribe.catalogue (catalogue, generation, dimensions, ef_search) VALUES ('main', 1, 6, 40)"
            )
        with connection.transaction():
            for name, value in {"enable_seqscan": "off", "enable_sort": "off", "hnsw.max_scan_tuples": "100"}.items():
                connection.execute("SELECT set_config(%s, %s, true)", [name, value])
            query = "SELECT count(*) FROM skuscribe.nearest_to('main', '[1,0,0,0,0,0]', 10, ARRAY['held-out'])"
            assert connection.execute(query).fetchone() == (10,)


def test_coverage_counts_the_products_without_a_vector_and_sorts_no_vectors(reader: "psycopg.Connection[Any]") -> None:
    with session() as owner:
        owner.execute("UPDATE skuscribe.product SET embedding = NULL WHERE uid = 'P000060'")
    coverage = "SELECT products, embedded, missing FROM skuscribe.coverage WHERE split = 'held-out'"
    assert reader.execute(coverage.encode()).fetchall() == [(10, 9, 1)]
    for view in ("coverage", "norms"):
        plan = reader.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) TABLE skuscribe.{view}".encode()).fetchone()
        assert plan is not None
        nodes = list(_nodes(plan[0][0]["Plan"]))
        sorted_columns = [column for node in nodes if "Sort" in node["Node Type"] for column in node["Output"]]
        assert sorted_columns
        assert not [column for column in sorted_columns if column.endswith("embedding")]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)
