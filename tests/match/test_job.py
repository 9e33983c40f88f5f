"""The job `match` writes a matcher once, and its alternatives into Postgres."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest

from jobs.database.connection import Connection, session
from jobs.index import job as index
from jobs.index.settings import Settings as IndexSettings
from jobs.match import job
from jobs.match import products as products_module
from jobs.match.settings import Settings
from jobs.process import log
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.quality import matcher
from jobs.retrieval.search_index import find_index
from jobs.storage import artifact, catalogue, layout
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import TRAIN
from jobs.storage.store import Store
from tests.factories import product
from tests.index.catalogues import commit
from tests.ready import NAME, Ready

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_vectors")]


@pytest.fixture(autouse=True)
def _remove_matchers(ready: Ready) -> Iterator[None]:
    yield
    for name in ready.store.folders(layout.MATCHERS):
        artifact.remove(ready.store, layout.matcher_path(name))


def match(ready: Ready, name: str, **settings: Any) -> Artifact:
    job.run(Settings.model_validate({"store": ready.store.url, "catalogue": NAME, "matcher": name, **settings}))
    made = artifact.find(ready.store, layout.matcher_path(name))
    assert made is not None
    return made


def alternatives() -> list[tuple[Any, ...]]:
    with session(read_only=True) as connection:
        query = "SELECT word, other, pairs FROM skuscribe.alternative WHERE catalogue = %s ORDER BY word, other"
        return connection.execute(query, [NAME]).fetchall()


def test_a_small_catalogue_has_alternatives_and_says_that_nothing_is_calibrated(
    ready: Ready, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    made = match(ready, "small")
    warnings = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"warning"' in line]
    assert [line["event"] for line in warnings] == [
        "too few products to calibrate: descriptions are checked by their words only"
    ]
    assert made.manifest.figures["calibrated"] is False
    loaded = matcher.load(made.fetch_all(tmp_path))
    assert not loaded.is_calibrated
    assert alternatives() == sorted(
        (item.phrase, item.other, item.pairs) for row in loaded.alternatives.values() for item in row.values()
    )
    assert alternatives()
    word, other, pairs = alternatives()[0]
    with session(read_only=True) as connection:
        found = connection.execute(
            "SELECT other, pairs FROM skuscribe.alternatives(%s, upper(%s))", [NAME, word]
        ).fetchall()
    assert (other, pairs) in found


def test_a_second_run_is_already_done_and_restores_the_table(ready: Ready) -> None:
    first, before = match(ready, "twice"), alternatives()
    with session() as connection:
        connection.execute("DELETE FROM skuscribe.alternative")
    assert match(ready, "twice") == first
    assert alternatives() == before


def test_the_same_catalogue_and_settings_give_the_same_files(ready: Ready) -> None:
    files = [
        {name: file.sha256 for name, file in match(ready, name).manifest.files.items() if not file.measured}
        for name in ("one", "two")
    ]
    assert files[0] == files[1]


@pytest.mark.slow
def test_killed_before_its_alternatives_are_in_postgres_it_puts_them_there_when_it_is_run_again(ready: Ready) -> None:
    expected = match(ready, "undisturbed").digest
    before = alternatives()
    command = [sys.executable, "-m", "jobs", "match", "--store", ready.store.url, "--catalogue", NAME]
    with session() as connection:
        connection.execute("DELETE FROM skuscribe.alternative")
        with connection.transaction():
            connection.execute("LOCK TABLE skuscribe.alternative IN ACCESS EXCLUSIVE MODE")
            with subprocess.Popen([*command, "--matcher", "killed"], stderr=subprocess.DEVNULL) as process:
                wait_until_blocked(connection, process)
                process.kill()
    assert alternatives() == []
    assert match(ready, "killed").digest == expected
    assert alternatives() == before


def wait_until_blocked(connection: Connection, process: subprocess.Popen[bytes]) -> None:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'skuscribe.alternative'::regclass"
    while connection.execute(query).fetchone() == (0,):
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
        assert process.returncode is None, "the job ended without waiting for the table"


def test_a_finished_matcher_is_found_without_loading_torch(ready: Ready) -> None:
    match(ready, "light")
    flags = ["--store", ready.store.url, "--catalogue", NAME, "--matcher", "light"]
    command = [sys.executable, "-X", "importtime", "-m", "jobs", "match", *flags]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "already done" in log
    assert "jobs.match.products" in log
    assert " torch\n" not in log


def test_the_alternatives_of_other_catalogues_stay(ready: Ready) -> None:
    with session() as connection:
        connection.execute(
            "INSERT INTO skuscribe.alternative VALUES ('other', 'red', 'blue', 1, 'Red pan', 'Blue pan')"
        )
        connection.execute("INSERT INTO skuscribe.alternative VALUES (%s, 'old', 'new', 1, 'Old', 'New')", [NAME])
        match(ready, "one-of-two")
        rows = connection.execute("SELECT * FROM skuscribe.alternatives('other', 'Red')").fetchall()
        connection.execute("DELETE FROM skuscribe.alternative WHERE catalogue = 'other'")
    assert rows == [("blue", 1, "Red pan", "Blue pan")]
    assert ("old", "new", 1) not in alternatives()


def test_a_matcher_of_other_settings_is_a_wrong_setting(ready: Ready) -> None:
    match(ready, "settled")
    with pytest.raises(ConfigurationError, match="seed was 13, now 14"):
        match(ready, "settled", seed=14)


def test_a_catalogue_that_is_not_indexed_is_not_ready(store: Store, database: str, ready: Ready) -> None:
    with pytest.raises(NotReadyError, match="does not exist yet"):
        job.run(Settings.model_validate({"store": store.url, "catalogue": "absent"}))


def test_a_matcher_of_an_earlier_version_whose_index_digest_had_an_ef_search_is_already_done(ready: Ready) -> None:
    made = match(ready, "earlier")
    former = find_index(NAME, ready.catalogue.digest).former_digests[1]
    path = f"{layout.matcher_path('earlier')}/{layout.MANIFEST}"
    ready.store.write(path, replace(made.manifest, inputs={**made.manifest.inputs, "index": former}).to_json())
    assert match(ready, "earlier").manifest.inputs["index"] == former


def test_products_of_an_index_that_is_replaced_meanwhile_are_not_learnt_from(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of the new index have other splits: a row that was a training product may be held out now."""
    products = [product(number, "train") for number in range(30)]
    commit(store, products, [product(number, "held-out") for number in range(30, 40)])
    index.run(IndexSettings(store=store.url))
    found = find_index("main", catalogue.require(store, "main").digest)
    monkeypatch.setattr(products_module, "_ROWS_PER_QUERY", 10)
    assert len(products_module.sample(found, TRAIN, None, 13)) == 30

    def publish_another_between_queries(_count: int) -> None:
        commit(store, [replace(item, split="test") for item in products], [])
        index.run(IndexSettings(store=store.url))

    monkeypatch.setattr(log, "progress", lambda *_: nullcontext(Progress(publish_another_between_queries)))
    with pytest.raises(NotReadyError, match="was indexed again"):
        products_module.sample(found, TRAIN, None, 13)


@dataclass(frozen=True)
class Progress:
    advance: Callable[[int], None]
