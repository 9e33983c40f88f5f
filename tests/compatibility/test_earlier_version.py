"""A store and a database written by an earlier version are read by this one: every step is found already done.

`version-0.1.0.tar.xz` holds what `skuscribe local` of that version wrote for 84 rows of the generated sample: `store/` (every
object), `database.sql` (pg_dump of the schema) and `rows.jsonl.gz` (the input).
"""

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from jobs import cli, steps
from jobs.database.connection import session
from jobs.local import postgres
from jobs.storage import artifact, layout
from jobs.storage.store import Store

ARCHIVE = Path(__file__).with_name("version-0.1.0.tar.xz")
SETTINGS = {
    "CATALOGUE": "old", "MODEL": "old", "RUN": "old", "BATCH": "old", "SOURCE": "tiny", "LIMIT": "2000",
    "SHARD_ROWS": "36", "HELD_OUT_ROWS": "6", "QUESTIONS": "4", "PART_ROWS": "3", "EPOCHS": "1", "RETRIEVAL_SHARE": "0.5",
    "LEARNING_RATE": "0.003", "TARGET_TOKENS_PER_BATCH": "384", "ROUGE_ROWS": "2",
    "WORDS_ONLY": "true",  # it had no matcher
    "TINY_WIDTH": "16", "TINY_LAYERS": "1", "TINY_VOCABULARY": "300",
}  # fmt: skip

NEW_STEPS = ("match",)
"""Steps that the earlier version did not have."""


@pytest.fixture
def earlier_store(store: Store, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store and the database of the earlier version, with the settings of its run."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    for path in (path for path in (tmp_path / "store").rglob("*") if path.is_file()):
        store.upload(path.relative_to(tmp_path / "store").as_posix(), path)
    psql = str(postgres.programs() / "psql")
    command = [psql, "-q", "-v", "ON_ERROR_STOP=1", "-f", str(tmp_path / "database.sql"), database]
    subprocess.run(command, env=dict(os.environ), check=True, capture_output=True)
    for name, value in (SETTINGS | {"INPUT": str(tmp_path / "rows.jsonl.gz")}).items():
        monkeypatch.setenv(f"SKUSCRIBE_{name}", value)
    return store


def test_every_step_of_an_earlier_version_is_already_done(
    earlier_store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {found.key: found.etag for found in earlier_store.objects("")}
    for step in (step for step in steps.in_order(steps.steps(0.5)) if step.name not in NEW_STEPS):
        assert cli.main([step.command, *step.arguments]) == 0
        events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
        done = [event for event in events if event != "migration applied"]  # new comments on the views
        assert set(done) == {"already done"}, f"{step.name} did more than find its work done: {events}"
    after = {
        found.key: found.etag for found in earlier_store.objects("") if found.key != layout.CONDITIONAL_WRITES_PROBE
    }
    assert after == before


def test_a_matcher_is_learnt_from_a_catalogue_of_an_earlier_version(earlier_store: Store) -> None:
    assert cli.main(["match", "--matcher", "new"]) == 0
    made = artifact.require(earlier_store, layout.matcher_path("new"), layout.Kind.MATCHER, "match")
    assert made.manifest.figures["calibrated"] is False
    assert made.manifest.figures["alternatives"] > 0
    with session(read_only=True) as connection:
        [(stored,)] = connection.execute("SELECT count(*) FROM skuscribe.alternative").fetchall()
    assert stored == made.manifest.figures["alternatives"]
