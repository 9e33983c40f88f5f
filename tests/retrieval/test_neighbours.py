"""The neighbours of a title: the nearest training products, never the product itself or its duplicates."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from psycopg.errors import LockNotAvailable

from jobs.database.connection import session, statement
from jobs.index import job as index
from jobs.index import settings as index_settings
from jobs.index.hnsw import EF_SEARCH
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.retrieval import neighbours
from jobs.retrieval.encoder import Encoder, text_to_embed
from jobs.retrieval.neighbours import Neighbour, NeighbourSearch, prompt_texts
from jobs.retrieval.search_index import SearchIndex, find_index, require_same_index
from jobs.retrieval.settings import DEFAULT_ENCODER
from jobs.storage import artifact, catalogue, layout
from jobs.storage.catalogue import Title
from jobs.storage.manifest import digest_of
from jobs.storage.store import Store
from tests.factories import product, write_catalogue

pytestmark = pytest.mark.usefixtures("kept_vectors")

TEST_ROWS, SHARD_ROWS, HELD_OUT_ROWS = 8, 80, 20  # products 0-7 are test rows, 8-79 training rows, 80-99 held out


@pytest.fixture
def indexed(store: Store, database: str) -> Store:
    write_catalogue(store, shards=1, rows_per_shard=SHARD_ROWS, held_out=HELD_OUT_ROWS)
    index.run(index_settings.Settings(store=store.url))
    return store


def current_index(store: Store) -> SearchIndex:
    return find_index("main", catalogue.require(store, "main").digest)


@pytest.fixture
def search(indexed: Store) -> Callable[[int], NeighbourSearch]:
    return lambda count: NeighbourSearch(current_index(indexed), DEFAULT_ENCODER, count)


def title_of(number: int) -> Title:
    """The title of a product of the catalogue, as `describe --split` reads it."""
    item = product(number, "")
    return Title(item.uid, item.title, item.uid, item.cluster)


def uids(items: list[Neighbour]) -> set[str]:
    return {item.uid for item in items}


def test_neighbours_are_the_nearest_training_products(search: Callable[[int], NeighbourSearch]) -> None:
    titles = [title_of(85), title_of(40), Title("query", product(33, "").title)]
    results = search(5).of(titles)
    for items in results:
        similarities = [item.similarity for item in items]
        assert len(items) == 5
        assert similarities == sorted(similarities, reverse=True)
        assert all(TEST_ROWS <= int(item.uid[1:]) < SHARD_ROWS for item in items)
    assert results[2][0].uid == "P000033"


def test_the_similarity_is_the_cosine_of_the_title_and_the_text_in_the_index(
    search: Callable[[int], NeighbourSearch],
) -> None:
    [[nearest]] = search(1).of([Title("query", "green lamp")])
    one, other = Encoder().encode(["green lamp", text_to_embed(nearest.title, nearest.content)])
    assert nearest.similarity == pytest.approx(float(one @ other), abs=2e-3)


def test_the_product_and_its_cluster_are_left_out(search: Callable[[int], NeighbourSearch]) -> None:
    with session() as connection:
        connection.execute("UPDATE skuscribe.product SET cluster = 40 WHERE uid IN ('P000041', 'P000042')")
    everything = {f"P{number:06d}" for number in range(TEST_ROWS, SHARD_ROWS)}
    query, own = Title("query", product(40, "").title), title_of(40)
    known_by_uid_only = replace(own, cluster=None)
    results = search(100).of([query, own, known_by_uid_only])
    left_out = everything - {"P000040", "P000041", "P000042"}
    assert [uids(items) for items in results] == [everything, left_out, left_out]


def test_a_title_with_an_error_has_no_neighbours_and_moves_no_others(search: Callable[[int], NeighbourSearch]) -> None:
    titles = [Title("a", "", error="no title"), Title("b", product(33, "").title), Title("c", "", error="no title")]
    first, second, third = search(1).of(titles)
    assert (first, [item.uid for item in second], third) == ([], ["P000033"], [])


def test_neighbours_do_not_depend_on_how_many_titles_are_searched_at_once(
    search: Callable[[int], NeighbourSearch], monkeypatch: pytest.MonkeyPatch
) -> None:
    titles = [title_of(number) for number in range(20, 27)]
    expected = [[item.uid for item in items] for items in search(2).of(titles)]
    monkeypatch.setattr(neighbours, "SEARCH_ROWS", 3)
    assert [[item.uid for item in items] for items in search(2).of(titles)] == expected


def test_a_catalogue_that_is_not_indexed_is_not_ready(indexed: Store) -> None:
    with pytest.raises(NotReadyError, match="'other' is not indexed yet: run `skuscribe index --catalogue other`"):
        find_index("other", "")


def test_a_database_without_tables_is_not_ready(database: str) -> None:
    with pytest.raises(NotReadyError, match="'main' is not indexed yet"):
        find_index("main", "")


def test_the_index_of_other_products_is_not_ready(indexed: Store) -> None:
    artifact.remove(indexed, layout.catalogue_path("main"))
    write_catalogue(indexed, shards=1, rows_per_shard=SHARD_ROWS + 1, held_out=HELD_OUT_ROWS)
    with pytest.raises(NotReadyError, match=r"has other products.*run `skuscribe index --catalogue main`"):
        current_index(indexed)


def test_another_encoder_than_that_of_the_index_is_a_wrong_setting(indexed: Store) -> None:
    another = replace(current_index(indexed), encoder_digest="of another encoder")
    with pytest.raises(ConfigurationError, match=f"another encoder than --encoder {DEFAULT_ENCODER}"):
        NeighbourSearch(another, DEFAULT_ENCODER, 1)


def test_an_index_that_another_encoder_replaced_since_is_not_ready(search: Callable[[int], NeighbourSearch]) -> None:
    begun = search(1)
    with session() as connection:
        connection.execute("UPDATE skuscribe.catalogue SET encoder_digest = 'of another encoder', dimensions = 12")
    with pytest.raises(NotReadyError, match="another encoder or other parameters, while this job ran"):
        begun.of([title_of(1)])


def test_the_digest_of_an_index_changes_with_its_parameters_only(indexed: Store) -> None:
    before = current_index(indexed).digest
    index.run(index_settings.Settings(store=indexed.url))
    assert current_index(indexed).digest == before
    index.run(index_settings.Settings(store=indexed.url, m=24))
    assert current_index(indexed).digest != before


def test_another_ef_search_is_the_same_index(indexed: Store, search: Callable[[int], NeighbourSearch]) -> None:
    """Two builds of the same products may choose another one: the recall of a parallel build varies."""
    before, begun = current_index(indexed), search(1)
    with session() as connection:
        connection.execute(statement("choose_ef_search"), {"catalogue": "main", "ef_search": 120})
    assert current_index(indexed) == before
    assert len(begun.of([title_of(1)])[0]) == 1


def test_the_digests_of_earlier_versions_contain_an_ef_search(indexed: Store) -> None:
    found = current_index(indexed)
    config = [found.catalogue_digest, found.encoder_digest, 16, 64]
    assert set(found.former_digests) == {digest_of([*config, ef_search]) for ef_search in EF_SEARCH}
    assert found.digest not in found.former_digests


def test_an_index_cannot_be_replaced_between_its_check_and_the_search(indexed: Store) -> None:
    with session() as reader, session() as writer:
        with reader.transaction():
            require_same_index(reader, current_index(indexed))
            with pytest.raises(LockNotAvailable), writer.transaction():
                writer.execute("SET LOCAL lock_timeout = '100ms'")
                writer.execute("LOCK TABLE skuscribe.product IN ACCESS EXCLUSIVE MODE")
        with writer.transaction():
            writer.execute("LOCK TABLE skuscribe.product IN ACCESS EXCLUSIVE MODE")


def test_the_text_of_a_neighbour_ends_at_a_whole_word() -> None:
    numbers = " ".join(str(number) for number in range(100))
    short, long = prompt_texts([Neighbour("a", "Desk", "oak,  100 cm", 0.5), Neighbour("b", "Desk", numbers, 0.5)])
    assert short == "Desk. oak, 100 cm"
    assert long == "Desk. " + " ".join(str(number) for number in range(neighbours.PROMPT_TEXT_WORDS))


def test_products_at_the_same_distance_are_in_the_order_of_their_uids(search: Callable[[int], NeighbourSearch]) -> None:
    same = [f"P{number:06d}" for number in (70, 30, 50, 20, 60)]
    with session() as connection:
        connection.execute(
            "UPDATE skuscribe.product SET embedding = (SELECT embedding FROM skuscribe.product WHERE uid = 'P000040') "
            "WHERE uid = ANY (%s)",
            [same],
        )
    [nearest] = search(3).of([title_of(40)])
    assert [item.uid for item in nearest] == sorted(same)[:3]
