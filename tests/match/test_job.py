"""The job `match` writes a matcher once, and its alternatives into Postgres."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from jobs.database.connection import session
from jobs.match import job
from jobs.match.settings import Settings
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.quality import matcher
from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact
from jobs.storage.store import Store
from tests.ready import NAME, Ready


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


def test_a_matcher_of_other_settings_is_a_wrong_setting(ready: Ready) -> None:
    match(ready, "settled")
    with pytest.raises(ConfigurationError, match="seed was 13, now 14"):
        match(ready, "settled", seed=14)


def test_a_catalogue_that_is_not_indexed_is_not_ready(store: Store, database: str, ready: Ready) -> None:
    with pytest.raises(NotReadyError, match="does not exist yet"):
        job.run(Settings.model_validate({"store": store.url, "catalogue": "absent"}))
