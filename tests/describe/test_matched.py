"""A batch with a matcher publishes by probability, says why a text is held back, and is made again with another threshold."""

import gzip
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs.database.connection import session
from jobs.database.migrations import migrate
from jobs.describe import job
from jobs.describe.audited_threshold import threshold_of_batch
from jobs.describe.settings import Settings
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage import artifact, catalogue, layout
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


def test_a_matcher_of_other_products_is_a_warning_and_one_of_the_catalogue_is_none(
    ready: Ready, capsys: pytest.CaptureFixture[str]
) -> None:
    own = catalogue.require(ready.store, NAME).artifact.digest
    commit_matcher(ready.store, share_matcher(), "own", learnt_from=(NAME, own))
    commit_matcher(ready.store, share_matcher(), "other", learnt_from=("shoes", "0" * 64))
    describe(ready, "with-own", matcher="own", limit=1)
    assert "learnt from other products" not in capsys.readouterr().err
    describe(ready, "with-other", matcher="other", limit=1)
    [warning] = [
        json.loads(line) for line in capsys.readouterr().err.splitlines() if "learnt from other products" in line
    ]
    assert warning["level"] == "warning"
    assert (warning["matcher"], warning["learnt_from"], warning["catalogue"]) == (
        "matchers/other", "catalogue/shoes", f"catalogue/{NAME}",
    )  # fmt: skip


def test_the_rows_of_a_finished_batch_with_probabilities_and_evidence_are_not_written_again(
    ready: Ready, capsys: pytest.CaptureFixture[str]
) -> None:
    commit_matcher(ready.store, share_matcher(publish_from=0.999))
    rows = describe(ready, "again")
    capsys.readouterr()
    assert describe(ready, "again") == rows
    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert events == ["already done"]


def label(matcher_digest: str, *, wrong_below: float) -> None:
    """Store 40 labels of published texts: those with a lower probability are wrong."""
    with session() as connection:
        migrate(connection)
        connection.execute("DELETE FROM skuscribe.audit_label")
        connection.execute(
            """
            INSERT INTO skuscribe.audit_label (
                batch, uid, text_digest, label, stratum, stratum_rows, catalogue, published, flags, probability, matcher_digest
            )
            SELECT 'labelled', uid, uid, CASE WHEN uid / 100.0 < %s THEN 'wrong' ELSE 'right' END, 'published', 100, %s, true, '{}',
                   uid / 100.0, %s
            FROM generate_series(1, 99) AS uid
            """,
            [wrong_below, NAME, matcher_digest],
        )


def settings_of(ready: Ready, path: str) -> Mapping[str, Any]:
    made = artifact.find(ready.store, path)
    assert made is not None
    return made.manifest.settings


def test_labels_stored_while_a_batch_is_written_or_after_it_do_not_change_its_threshold(ready: Ready) -> None:
    digest = commit_matcher(ready.store, share_matcher()).digest
    options = {"from_audit": 0.9, "limit": 4, "part_rows": 2}
    label(digest, wrong_below=0.3)
    values = {"store": ready.store.url, "catalogue": NAME, "run": NAME, "batch": "audited", "answer_max_tokens": 16}
    job.run(Settings.model_validate({**values, **options, "index": 0}))
    first = settings_of(ready, layout.export_part_path("audited", 0))
    label(digest, wrong_below=0.5)
    rows = describe(ready, "audited", **options)
    assert len(rows) == 4
    whole = settings_of(ready, layout.export_path("audited"))
    assert (whole["publish_from"], whole["from_audit"]) == (first["publish_from"], 0.9)
    label(digest, wrong_below=0.6)
    assert describe(ready, "audited", **options) == rows

    describe(ready, "later", **options)
    assert settings_of(ready, layout.export_path("later"))["publish_from"] > whole["publish_from"]


def test_processes_that_begin_a_batch_with_different_labels_have_one_threshold(ready: Ready) -> None:
    """The pods of an Indexed Job begin at different times, long before the first of them commits a part."""
    digest = commit_matcher(ready.store, share_matcher()).digest
    thresholds = []
    for wrong_below in (0.3, 0.5):
        label(digest, wrong_below=wrong_below)
        thresholds.append(threshold_of_batch(ready.store, "begun", 0.9, NAME, digest))
    assert thresholds[0] == thresholds[1]
    assert threshold_of_batch(ready.store, "other", 0.9, NAME, digest) > thresholds[0]


def test_another_matcher_or_share_takes_its_threshold_from_the_labels(ready: Ready) -> None:
    first, other = (
        commit_matcher(ready.store, share_matcher(publish_from=at), name)
        for at, name in ((0.5, "main"), (0.6, "other"))
    )
    label(first.digest, wrong_below=0.3)
    describe(ready, "audited", from_audit=0.9, limit=1)
    before = settings_of(ready, layout.export_path("audited"))["publish_from"]
    label(other.digest, wrong_below=0.5)
    describe(ready, "audited", from_audit=0.9, limit=1, matcher="other", replace=True)
    after = settings_of(ready, layout.export_path("audited"))["publish_from"]
    assert after > before
    describe(ready, "audited", from_audit=0.8, limit=1, matcher="other", replace=True)
    assert settings_of(ready, layout.export_path("audited"))["publish_from"] < after


def test_a_threshold_from_too_few_labels_is_a_warning_with_the_interval_and_how_many_more_are_needed(
    ready: Ready, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = commit_matcher(ready.store, share_matcher()).digest
    label(digest, wrong_below=0.3)
    describe(ready, "uncertain", from_audit=0.95, limit=1)
    warnings = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"warning"' in line]
    [warning] = [line for line in warnings if line["event"].startswith("threshold from too few labels")]
    assert "label more with `skuscribe audit`" in warning["event"]
    # 72 of the 99 labels are at or above the threshold, 70 of these are right. That share is certain from 370 labels on.
    figures = {
        "share": 0.9722,
        "low": 0.9043,
        "high": 0.9923,
        "labels": 72,
        "from_audit": 0.95,
        "more_labels_needed": 410,
    }
    assert warning.items() >= figures.items()


def test_a_threshold_from_enough_labels_is_no_warning(ready: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    digest = commit_matcher(ready.store, share_matcher()).digest
    label(digest, wrong_below=0.3)
    describe(ready, "certain", from_audit=0.9, limit=1)
    assert "too few labels" not in capsys.readouterr().err


def test_a_batch_of_an_earlier_version_that_recorded_no_share_is_already_done(ready: Ready) -> None:
    digest = commit_matcher(ready.store, share_matcher()).digest
    label(digest, wrong_below=0.3)
    rows = describe(ready, "earlier", from_audit=0.9, limit=1)
    for path in (layout.export_path("earlier"), layout.export_part_path("earlier", 0)):
        made = artifact.find(ready.store, path)
        assert made is not None
        settings = {name: value for name, value in made.manifest.settings.items() if name != "from_audit"}
        ready.store.write(f"{path}/{layout.MANIFEST}", replace(made.manifest, settings=settings).to_json())
    assert describe(ready, "earlier", from_audit=0.9, limit=1) == rows
