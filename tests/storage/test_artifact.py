"""Artifacts: they exist when their manifest does, the first committer wins, and reading verifies."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.storage import artifact
from jobs.storage.artifact import File, Manifest
from jobs.storage.store import Store

SETTINGS = {"rows": 3}


def commit(store: Store, data: bytes = b"data", path: str = "things/one") -> artifact.Artifact:
    with artifact.draft(store, path, "thing", SETTINGS, {"input": "abc"}) as work:
        work.add_bytes("folder/file.txt", data)
        return work.commit({"rows": 3})


def test_nothing_exists_before_the_commit_and_everything_after(store: Store, tmp_path: Path) -> None:
    with artifact.draft(store, "things/one", "thing", SETTINGS, {}) as work:
        work.add_bytes("file", b"1")
        assert artifact.find(store, "things/one") is None
        work.commit({})
    found = artifact.require(store, "things/one", "thing", "make")
    assert found.fetch("file", tmp_path).read_bytes() == b"1"


def test_a_draft_that_fails_leaves_nothing_behind(store: Store) -> None:
    def fail() -> None:
        with artifact.draft(store, "things/one", "thing", {}, {}) as work:
            work.add_bytes("file", b"1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(store.objects("")) == []


def test_the_first_committer_wins_and_its_twin_finds_the_work_done(store: Store) -> None:
    with (
        artifact.draft(store, "things/one", "thing", SETTINGS, {}) as first,
        artifact.draft(store, "things/one", "thing", SETTINGS, {}) as second,
    ):
        first.add_bytes("file", b"first")
        second.add_bytes("file", b"second")
        won, lost = first.commit({}), second.commit({})
    assert won.digest == lost.digest
    assert store.read(f"things/one/{lost.manifest.files['file'].key}") == b"first"
    assert len(list(store.objects("things/one/"))) == 2


def test_what_a_killed_attempt_left_is_swept_by_the_next_commit_and_nothing_else_is(store: Store) -> None:
    store.write("things/one/attempt-dead/half", b"x")
    store.write("things/one/state/step-4/weights", b"x")
    store.write("things/one/part-00000/manifest.json", b"x")
    commit(store)
    keys = [item.key for item in store.objects("things/one/")]
    assert [key for key in keys if "dead" in key or "state" in key] == []
    assert "things/one/part-00000/manifest.json" in keys


def test_done_finds_the_same_work_and_names_what_differs(store: Store) -> None:
    assert artifact.done(store, "things/one", SETTINGS, {"input": "abc"}) is None
    commit(store)
    assert artifact.done(store, "things/one", SETTINGS, {"input": "abc"}) is not None
    with pytest.raises(ConfigurationError, match="rows was 3, now 4; input was abc, now xyz"):
        artifact.done(store, "things/one", {"rows": 4}, {"input": "xyz"})


def test_the_digest_is_that_of_the_content_whoever_made_it_and_when(store: Store) -> None:
    assert commit(store).digest == commit(store, path="things/two").digest
    assert commit(store).digest != commit(store, b"other", path="things/three").digest


def test_what_was_measured_is_kept_and_is_no_part_of_the_digest(store: Store, tmp_path: Path) -> None:
    made = []
    for name, seconds in (("a", b"1.5"), ("b", b"1.7")):
        with artifact.draft(store, name, "thing", SETTINGS, {}) as work:
            work.add_bytes("file", b"same")
            work.add_bytes("seconds", seconds, measured=True)
            made.append(work.commit({}))
    assert made[0].digest == made[1].digest
    assert made[1].fetch("seconds", tmp_path).read_bytes() == b"1.7"


def test_a_changed_file_is_noticed(store: Store, tmp_path: Path) -> None:
    made = commit(store)
    store.write(f"things/one/{made.manifest.files['folder/file.txt'].key}", b"tampered")
    with pytest.raises(NotReadyError, match="not the file that its manifest promises"):
        made.fetch("folder/file.txt", tmp_path)
    assert list(tmp_path.rglob("*.txt")) == []


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"files": 3}', b"\xff"])
def test_a_damaged_manifest_is_bad_input(store: Store, damage: bytes) -> None:
    store.write("things/one/manifest.json", damage)
    with pytest.raises(InputError, match="no manifest of ours"):
        artifact.find(store, "things/one")


def test_an_edited_manifest_is_bad_input(store: Store) -> None:
    commit(store)
    manifest = json.loads(store.read("things/one/manifest.json") or b"")
    manifest["settings"]["rows"] = 4
    store.write("things/one/manifest.json", json.dumps(manifest).encode())
    with pytest.raises(InputError, match="does not match its own digest"):
        artifact.find(store, "things/one")


def test_an_artifact_that_is_missing_or_of_another_kind_says_so(store: Store) -> None:
    with pytest.raises(NotReadyError, match="`skuscribe make it` makes it"):
        artifact.require(store, "things/one", "thing", "make it")
    commit(store)
    with pytest.raises(ConfigurationError, match="is a thing, expected a catalogue"):
        artifact.require(store, "things/one", "catalogue", "prepare")


def test_removing_starts_with_the_manifest_and_leaves_nothing(store: Store) -> None:
    commit(store)
    artifact.remove(store, "things/one")
    assert list(store.objects("")) == []


names = st.text(min_size=1, max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    st.dictionaries(names, st.integers() | names),
    st.dictionaries(names, names),
    st.dictionaries(names, st.binary(max_size=9)),
)
def test_any_manifest_reads_back_as_it_was_written(
    store: Store, chosen: dict[str, int | str], inputs: dict[str, str], files: dict[str, bytes]
) -> None:
    entries = {name: File(f"attempt-1/{name}", len(data), data.hex()) for name, data in files.items()}
    written = Manifest("thing", chosen, inputs, entries, {"rows": 1}, "attempt-1")
    store.write("any/manifest.json", artifact._to_json(written))
    found = artifact.find(store, "any")
    assert found is not None
    assert found.manifest == written


def test_a_commit_whose_answer_was_lost_stands_with_all_its_files(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest was written, the answer did not come, and the try that followed met it."""
    write = store.write_if_absent

    def answer_lost(key: str, data: bytes) -> bool:
        write(key, data)
        return write(key, data)

    monkeypatch.setattr(store, "write_if_absent", answer_lost)
    made = commit(store)
    assert made.fetch("folder/file.txt", tmp_path).read_bytes() == b"data"


@pytest.mark.parametrize("error", [NotReadyError("S3 went away"), KeyboardInterrupt()])
def test_what_happens_after_the_manifest_is_written_takes_no_file_away(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    write = store.write_if_absent

    def written_then(key: str, data: bytes) -> bool:
        write(key, data)
        raise error

    monkeypatch.setattr(store, "write_if_absent", written_then)
    with pytest.raises(type(error)):
        commit(store)
    found = artifact.require(store, "things/one", "thing", "make")
    assert found.fetch("folder/file.txt", tmp_path).read_bytes() == b"data"


def test_litter_that_cannot_be_swept_is_no_failure(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_reach(_key: str) -> None:
        raise NotReadyError("S3 went away")

    store.write("things/one/attempt-dead/half", b"x")
    monkeypatch.setattr(store, "delete", out_of_reach)
    assert commit(store).names() == ["folder/file.txt"]
