"""A batch with a matcher publishes by probability, says why a text is held back, and is made again with another threshold."""

import gzip
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.database.connection import session
from jobs.describe import job
from jobs.describe.settings import Settings
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage import artifact, layout
from jobs.storage.layout import Kind
from tests.quality.matchers import commit_matcher, share_matcher
from tests.ready import HELD_OUT, NAME, Ready

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _remove_what_a_test_made(ready: Ready) -> Iterator[None]:
    yield
    for batch in ready.store.folders(layout.EXPORTS):
        artifact.remove(ready.store, layout.export_path(batch))
    for name in ready.store.folders(layout.MATCHERS):
        artifact.remove(ready.store, layout.matcher_path(name))


def describe(ready: Ready, batch: str, **settings: Any) -> list[dict[str, Any]]:
    """Run `describe`, and return the rows of the batch."""
    values = {"store": ready.store.url, "catalogue": NAME, "run": NAME, "batch": batch, "answer_max_tokens": 16}
    job.run(Settings.model_validate({**values, **settings}))
    made = artifact.require(ready.store, layout.export_path(batch), Kind.EXPORT, "describe")
    with tempfile.TemporaryDirectory() as folder:
        paths = [made.fetch(name, Path(folder)) for name in made.names() if name.endswith(".jsonl.gz")]
        lines = [line for path in paths for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    return [json.loads(line) for line in lines]


def test_a_text_below_the_threshold_is_off_title_with_its_probability_and_what_it_lacks(ready: Ready) -> None:
    commit_matcher(ready.store, share_matcher(publish_from=0.999))  # a text needs all words of its title
    rows = describe(ready, "strict")
    assert len(rows) == HELD_OUT
    for row in rows:
        assert row["flags"][0] == "off-title"
        evidence = row["evidence"]["off-title"]
        assert evidence["probability"] == pytest.approx(row["probability"], abs=1e-4)
        assert evidence["missing"]
        assert set(evidence["missing"]) <= set(row["title"].lower().replace(",", "").split())
        assert set(row["evidence"]) == set(row["flags"])
    with session(read_only=True) as connection:
        stored = connection.execute(
            "SELECT uid, probability, evidence FROM skuscribe.description WHERE batch = 'strict' ORDER BY uid"
        ).fetchall()
    for (uid, probability, evidence), row in zip(stored, sorted(rows, key=lambda row: str(row["uid"])), strict=True):
        assert (uid, evidence) == (row["uid"], row["evidence"])
        assert probability == pytest.approx(row["probability"], abs=1e-6)


def test_the_threshold_of_the_user_replaces_that_of_the_matcher(ready: Ready) -> None:
    digest = commit_matcher(ready.store, share_matcher(publish_from=0.999)).digest
    rows = describe(ready, "lenient", publish_from=0.001, limit=4)
    assert not any("off-title" in row["flags"] for row in rows)
    made = artifact.require(ready.store, layout.export_path("lenient"), Kind.EXPORT, "describe")
    assert made.manifest.settings["publish_from"] == 0.001
    assert made.manifest.inputs["matcher"] == digest
    with pytest.raises(ConfigurationError, match=r"publish_from was 0.001, now 0.5"):
        describe(ready, "lenient", publish_from=0.5, limit=4)


def test_another_matcher_is_another_batch(ready: Ready) -> None:
    commit_matcher(ready.store, share_matcher())
    describe(ready, "first", limit=1)
    commit_matcher(ready.store, share_matcher(publish_from=0.9), name="other")
    with pytest.raises(ConfigurationError, match="matcher was"):
        describe(ready, "first", limit=1, matcher="other")
    assert describe(ready, "first", limit=1, matcher="other", replace=True)


def test_without_its_matcher_a_batch_is_retried_until_it_exists(ready: Ready) -> None:
    with pytest.raises(NotReadyError, match="match --matcher absent"):
        describe(ready, "early", matcher="absent")


def test_a_matcher_that_is_not_calibrated_leaves_the_checks_of_words_and_says_so(
    ready: Ready, capsys: pytest.CaptureFixture[str]
) -> None:
    commit_matcher(ready.store, share_matcher(products=0))
    rows = describe(ready, "uncalibrated", limit=3)
    warnings = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines() if '"warning"' in line]
    assert warnings == [
        "the matcher is not calibrated: texts are checked by their words only",
        "nothing is published",
    ]
    assert {row["probability"] for row in rows} == {None}
    by_words = describe(ready, "by-words", limit=3, words_only=True, neighbours=8)
    assert [row["title"] for row in by_words] == [row["title"] for row in rows]
