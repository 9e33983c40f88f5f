"""Artifacts: they exist when their manifest does, the first committer wins, and reading verifies."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.storage import artifact
from jobs.storage.artifact import Artifact, Draft, Spec
from jobs.storage.differences import REPLACED_BY_FLAG
from jobs.storage.layout import MANIFEST, Kind
from jobs.storage.store import Store, StoredObject

PATH = "things/one"
FILE = "folder/file.txt"


@pytest.fixture
def spec(store: Store) -> Spec:
    return Spec(store, PATH, "thing", {"rows": 3}, {"input": "abc"})


def build(data: bytes = b"data") -> Callable[[Draft], Mapping[str, int]]:
    """Return a build of one file."""

    def add_file(work: Draft) -> Mapping[str, int]:
        work.add_bytes(FILE, data)
        return {"rows": 3}

    return add_file


def build_nothing(_work: Draft) -> Mapping[str, int]:
    pytest.fail("an artifact that already exists was built again")


def content(made: Artifact, folder: Path) -> bytes:
    return made.fetch(FILE, folder).read_bytes()


def test_an_artifact_exists_only_after_the_build(spec: Spec, tmp_path: Path) -> None:
    def look(work: Draft) -> Mapping[str, int]:
        work.add_bytes(FILE, b"data")
        assert artifact.find(spec.store, PATH) is None
        return {"rows": 3}

    made = artifact.make_once(spec, look)
    found = artifact.require(spec.store, PATH, "thing", "make")
    assert found == made
    assert found.manifest.figures == {"rows": 3}
    assert content(found, tmp_path) == b"data"


@pytest.mark.parametrize("replace_outdated", [False, True])
def test_an_artifact_with_the_same_config_and_inputs_is_returned_without_a_build(
    spec: Spec, replace_outdated: bool
) -> None:
    made = artifact.make_once(spec, build())
    assert artifact.make_once(spec, build_nothing, replace_outdated=replace_outdated) == made


def test_an_artifact_that_was_created_differently_is_refused_with_each_difference(spec: Spec) -> None:
    made = artifact.make_once(spec, build())
    other = replace(spec, config={"rows": 4, "seed": 1}, inputs={"input": "xyz"})
    expected = "rows was 3, now 4; seed was absent, now 1; input was abc, now xyz"
    with pytest.raises(ConfigurationError, match=expected) as caught:
        artifact.make_once(other, build_nothing)
    assert f"{made.url}/manifest.json" in str(caught.value)
    assert artifact.find(spec.store, PATH) == made


def test_a_digest_that_differs_is_shortened_in_the_message(spec: Spec) -> None:
    artifact.make_once(replace(spec, inputs={"input": "0" * 64}), build())
    with pytest.raises(ConfigurationError, match=r"input was 000000000000…, now aaaaaaaaaaaa…\. Choose"):
        artifact.make_once(replace(spec, inputs={"input": "a" * 64}), build_nothing)


def test_find_matching_compares_as_make_once_does(spec: Spec) -> None:
    assert artifact.find_matching(spec) is None
    made = artifact.make_once(spec, build())
    assert artifact.find_matching(spec) == made
    with pytest.raises(ConfigurationError, match="rows was 3, now 4"):
        artifact.find_matching(replace(spec, config={"rows": 4}))


def test_an_input_that_is_known_only_after_the_build_is_recorded_and_not_compared(spec: Spec) -> None:
    def find_input(work: Draft) -> Mapping[str, int]:
        work.inputs["found"] = "def"
        return build()(work)

    made = artifact.make_once(replace(spec, added_inputs=["found"]), find_input)
    assert made.manifest.inputs == {"input": "abc", "found": "def"}
    assert artifact.make_once(replace(spec, added_inputs=["found"]), build_nothing) == made
    with pytest.raises(ConfigurationError, match="found was def, now absent"):
        artifact.make_once(spec, build_nothing)


@pytest.mark.parametrize("recorded", ["inputs", "config"])
def test_what_earlier_versions_did_not_record_is_compared_if_it_is_recorded(spec: Spec, recorded: str) -> None:
    def later(value: str) -> Spec:
        added = {"later": value}
        if recorded == "inputs":
            return replace(spec, inputs={**spec.inputs, **added}, later=["later"])
        return replace(spec, config={**spec.config, **added}, later=["later"])

    made = artifact.make_once(spec, build())
    assert artifact.make_once(later("def"), build_nothing) == made
    artifact.remove(spec.store, spec.path)
    artifact.make_once(later("def"), build())
    with pytest.raises(ConfigurationError, match="later was def, now ghi"):
        artifact.make_once(later("ghi"), build_nothing)


def test_an_input_that_an_earlier_version_recorded_under_another_digest_matches(spec: Spec) -> None:
    made = artifact.make_once(spec, build())
    renamed = replace(spec, inputs={"input": "def"}, former={"input": ["abc", "ghi"]})
    assert artifact.make_once(renamed, build_nothing) == made
    assert artifact.find_matching(renamed) == made
    with pytest.raises(ConfigurationError, match="input was abc, now def"):
        artifact.make_once(replace(renamed, former={"input": ["ghi"]}), build_nothing)


@pytest.mark.parametrize("error", [ZeroDivisionError(), NotReadyError("S3 is down"), KeyboardInterrupt()])
def test_a_failing_build_leaves_nothing(spec: Spec, error: BaseException) -> None:
    def fail(work: Draft) -> Mapping[str, int]:
        work.add_bytes(FILE, b"data")
        raise error

    with pytest.raises(type(error)):
        artifact.make_once(spec, fail)
    assert list(spec.store.objects(PATH)) == []


def test_a_failing_replacement_leaves_the_outdated_artifact(spec: Spec, tmp_path: Path) -> None:
    def fail(work: Draft) -> Mapping[str, int]:
        work.add_bytes(FILE, b"new")
        raise ZeroDivisionError

    made = artifact.make_once(spec, build())
    before = list(spec.store.objects(PATH))
    with pytest.raises(ZeroDivisionError):
        artifact.make_once(replace(spec, config={"rows": 4}), fail, replace_outdated=True)
    assert list(spec.store.objects(PATH)) == before
    assert artifact.find(spec.store, PATH) == made
    assert content(made, tmp_path) == b"data"


def at_the_same_time(*calls: Callable[[], Artifact]) -> list[Artifact]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [running.result() for running in [pool.submit(call) for call in calls]]


def test_of_concurrent_writers_one_wins_and_the_others_return_its_artifact(spec: Spec, tmp_path: Path) -> None:
    started = Barrier(3)

    def writer(data: bytes) -> Callable[[], Artifact]:
        def wait_and_build(work: Draft) -> Mapping[str, int]:
            started.wait(60)  # no writer commits before all have looked for an existing artifact
            return build(data)(work)

        return lambda: artifact.make_once(spec, wait_and_build)

    first, *others = at_the_same_time(writer(b"a"), writer(b"b"), writer(b"c"))
    assert others == [first, first]
    assert content(first, tmp_path) in {b"a", b"b", b"c"}
    assert len(list(spec.store.objects(f"{PATH}/"))) == 2


def test_a_writer_with_other_settings_does_not_pass_off_the_winners_artifact_as_its_own(spec: Spec) -> None:
    def build_slowly(work: Draft) -> Mapping[str, int]:
        artifact.make_once(spec, build(b"fast"))
        return build(b"slow")(work)

    with pytest.raises(ConfigurationError, match="rows was 3, now 4"):
        artifact.make_once(replace(spec, config={"rows": 4}), build_slowly)
    assert len(list(spec.store.objects(f"{PATH}/"))) == 2


def test_an_outdated_artifact_is_replaced_in_one_write(
    spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest is never deleted, and each state of the store has a whole artifact."""
    artifact.make_once(spec, build(b"old"))
    seen = []
    delete, write = spec.store.delete, spec.store.write_if_match

    def look(moment: str) -> None:
        found = artifact.find(spec.store, PATH)
        assert found is not None
        seen.append((moment, content(found, tmp_path)))

    def watched_delete(key: str) -> None:
        assert key != f"{PATH}/manifest.json"
        look("before a file is deleted")
        delete(key)

    def watched_write(key: str, data: bytes, etag: str) -> bool:
        look("before the manifest is written")
        written = write(key, data, etag)
        look("after the manifest is written")
        return written

    monkeypatch.setattr(spec.store, "delete", watched_delete)
    monkeypatch.setattr(spec.store, "write_if_match", watched_write)
    made = artifact.make_once(replace(spec, config={"rows": 4}), build(b"new"), replace_outdated=True)
    assert made.manifest.settings == {"rows": 4}
    assert seen == [
        ("before the manifest is written", b"old"),
        ("after the manifest is written", b"new"),
        ("before a file is deleted", b"new"),
    ]
    assert len(list(spec.store.objects(f"{PATH}/"))) == 2


def test_of_two_replacers_with_the_same_settings_one_wins(spec: Spec, tmp_path: Path) -> None:
    artifact.make_once(spec, build(b"old"))
    newer = replace(spec, config={"rows": 4})
    started = Barrier(2)

    def replacer(data: bytes) -> Callable[[], Artifact]:
        def wait_and_build(work: Draft) -> Mapping[str, int]:
            started.wait(60)
            return build(data)(work)

        return lambda: artifact.make_once(newer, wait_and_build, replace_outdated=True)

    first, second = at_the_same_time(replacer(b"a"), replacer(b"b"))
    assert first == second
    assert content(first, tmp_path) in {b"a", b"b"}
    assert len(list(spec.store.objects(f"{PATH}/"))) == 2


def test_of_two_replacers_with_different_settings_the_second_replaces_what_the_first_made(
    spec: Spec, tmp_path: Path
) -> None:
    artifact.make_once(spec, build(b"old"))
    builds: list[str] = []

    def build_slowly(work: Draft) -> Mapping[str, int]:
        if not builds:
            artifact.make_once(replace(spec, config={"rows": 4}), build(b"fast"), replace_outdated=True)
        builds.append(work.attempt)
        return build(b"slow")(work)

    made = artifact.make_once(replace(spec, config={"rows": 5}), build_slowly, replace_outdated=True)
    assert len(builds) == 2
    assert made.manifest.settings == {"rows": 5}
    assert artifact.find(spec.store, PATH) == made
    assert content(made, tmp_path) == b"slow"
    assert len(list(spec.store.objects(f"{PATH}/"))) == 2


def test_an_artifact_that_changes_during_every_build_is_not_ready(spec: Spec) -> None:
    def build_after_another(work: Draft) -> Mapping[str, int]:
        artifact.make_once(replace(spec, config={"by": work.attempt}), build(), replace_outdated=True)
        return build()(work)

    with pytest.raises(NotReadyError, match="changed by other writers"):
        artifact.make_once(spec, build_after_another, replace_outdated=True)


@pytest.mark.parametrize("outdated", [False, True])
def test_a_commit_whose_answer_was_lost_keeps_its_files(
    spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outdated: bool
) -> None:
    """The S3 client repeats a write whose answer did not come, and its own manifest fails the condition."""
    if outdated:
        artifact.make_once(replace(spec, config={"rows": 2}), build(b"old"))
    name = "write_if_match" if outdated else "write_if_absent"
    write = getattr(spec.store, name)

    def write_twice(*arguments: object) -> bool:
        assert write(*arguments)
        return bool(write(*arguments))

    monkeypatch.setattr(spec.store, name, write_twice)
    made = artifact.make_once(spec, build(b"new"), replace_outdated=outdated)
    assert content(made, tmp_path) == b"new"
    assert artifact.find(spec.store, PATH) == made


@pytest.mark.parametrize("outdated", [False, True])
@pytest.mark.parametrize("error", [NotReadyError("S3 is down"), KeyboardInterrupt()])
def test_an_error_after_the_manifest_was_written_keeps_its_files(
    spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, outdated: bool
) -> None:
    if outdated:
        artifact.make_once(replace(spec, config={"rows": 2}), build(b"old"))
    name = "write_if_match" if outdated else "write_if_absent"
    write = getattr(spec.store, name)

    def write_and_fail(*arguments: object) -> bool:
        assert write(*arguments)
        raise error

    monkeypatch.setattr(spec.store, name, write_and_fail)
    with pytest.raises(type(error)):
        artifact.make_once(spec, build(b"new"), replace_outdated=outdated)
    assert content(artifact.require(spec.store, PATH, "thing", "make"), tmp_path) == b"new"


def test_a_commit_removes_dead_attempts_and_checkpoints_and_no_other_object(spec: Spec) -> None:
    kept = [f"{PATH}/part-00000/manifest.json", f"{PATH}/part-00000/attempt-1/file", "things/other/attempt-1/file"]
    for key in (f"{PATH}/attempt-dead/half", f"{PATH}/state/step-000004/weights", *kept):
        spec.store.write(key, b"x")
    made = artifact.make_once(spec, build())
    files = [f"{PATH}/manifest.json", f"{PATH}/{made.manifest.files[FILE].key}"]
    assert sorted(stored.key for stored in spec.store.objects("things/")) == sorted([*kept, *files])


def test_the_next_run_removes_what_a_process_left_that_was_killed_right_after_its_commit(spec: Spec) -> None:
    made = artifact.make_once(spec, build())
    spec.store.write(f"{PATH}/attempt-dead/half", b"x")
    spec.store.write(f"{PATH}/state/step-000004/weights", b"x")
    assert artifact.make_once(spec, build_nothing) == made
    assert len(list(spec.store.objects(PATH))) == 2


@pytest.mark.parametrize(("kind", "replace_outdated"), [("thing", True), *((kind, False) for kind in REPLACED_BY_FLAG)])
def test_a_run_that_finds_its_artifact_removes_no_file_of_a_replacement_that_is_being_built(
    spec: Spec, tmp_path: Path, kind: str, replace_outdated: bool
) -> None:
    spec = replace(spec, kind=kind)
    artifact.make_once(spec, build(b"old"))

    def build_beside_another(work: Draft) -> Mapping[str, int]:
        work.add_bytes(FILE, b"new")
        artifact.make_once(spec, build_nothing, replace_outdated=replace_outdated)
        return {}

    made = artifact.make_once(replace(spec, config={"rows": 4}), build_beside_another, replace_outdated=True)
    assert content(made, tmp_path) == b"new"


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        (Kind.MODEL, "or delete it with `skuscribe delete --path {path}` to make it again"),
        (Kind.EXPORT, "replace it with --replace, or remove .*/{path}/manifest.json to make it again"),
    ],
)
def test_an_artifact_of_other_settings_says_how_to_make_it_again(spec: Spec, kind: str, remedy: str) -> None:
    spec = replace(spec, kind=kind)
    artifact.make_once(spec, build(b"old"))
    with pytest.raises(ConfigurationError, match=remedy.format(path=spec.path)):
        artifact.make_once(replace(spec, config={"rows": 4}), build_nothing)


@pytest.mark.parametrize("kind", ["thing", Kind.EXPORT])
def test_a_run_that_finds_its_artifact_removes_no_file_of_one_that_replaced_it_meanwhile(
    spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    spec = replace(spec, kind=kind)
    artifact.make_once(spec, build(b"old"))
    newer = replace(spec, config={"rows": 4})
    list_objects = spec.store.objects

    def build_slowly(work: Draft) -> Mapping[str, int]:
        figures = build(b"new")(work)
        time.sleep(1.1)  # S3 records the time of an object in seconds
        return figures

    def replaced_before_the_listing(prefix: str) -> Iterator[StoredObject]:
        monkeypatch.setattr(spec.store, "objects", list_objects)
        artifact.make_once(newer, build_slowly, replace_outdated=True)
        return list_objects(prefix)

    monkeypatch.setattr(spec.store, "objects", replaced_before_the_listing)
    artifact.make_once(spec, build_nothing, replace_outdated=True)
    found = artifact.find(spec.store, PATH)
    assert found is not None
    assert content(found, tmp_path) == b"new"


@pytest.mark.parametrize("replace_outdated", [False, True])
def test_a_writer_whose_files_another_removed_commits_nothing(spec: Spec, replace_outdated: bool) -> None:
    """The other has committed, and its manifest was removed by hand since, as the messages say."""
    if replace_outdated:
        artifact.make_once(replace(spec, config={"rows": 1}), build(b"outdated"))

    def add_file_that_is_removed(work: Draft) -> Mapping[str, int]:
        figures = build()(work)
        for stored in list(spec.store.objects(f"{PATH}/{work.attempt}/")):
            spec.store.delete(stored.key)
        return figures

    before = spec.store.read(f"{PATH}/manifest.json")
    with pytest.raises(NotReadyError, match=r"by another writer and removed since|was changed by other writers"):
        artifact.make_once(spec, add_file_that_is_removed, replace_outdated=replace_outdated)
    assert spec.store.read(f"{PATH}/manifest.json") == before


@pytest.mark.parametrize("replace_outdated", [False, True])
def test_a_writer_whose_files_another_removed_returns_the_artifact_of_the_other(
    spec: Spec, tmp_path: Path, replace_outdated: bool
) -> None:
    """Its files were left over when the other committed."""
    if replace_outdated:
        artifact.make_once(replace(spec, config={"rows": 1}), build(b"outdated"))

    def build_while_another_commits(work: Draft) -> Mapping[str, int]:
        figures = build(b"second")(work)
        time.sleep(1.1)  # S3 records the time of an object in seconds
        artifact.make_once(spec, build(b"first"), replace_outdated=replace_outdated)
        return figures

    made = artifact.make_once(spec, build_while_another_commits, replace_outdated=replace_outdated)
    assert content(made, tmp_path) == b"first"


def test_leftovers_that_cannot_be_removed_do_not_fail_the_job(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_key: str) -> None:
        raise NotReadyError("S3 is down")

    spec.store.write(f"{PATH}/attempt-dead/half", b"x")
    monkeypatch.setattr(spec.store, "delete", fail)
    made = artifact.make_once(spec, build())
    assert artifact.make_once(spec, build_nothing) == made


def test_the_log_says_what_was_committed_and_what_was_already_done_with_the_figures(
    spec: Spec, capsys: pytest.CaptureFixture[str]
) -> None:
    def add_figures(work: Draft) -> Mapping[str, object]:
        work.add_bytes(FILE, b"data")
        return {"rows": 3, "source": "hub", "by_epoch": [1, 2]}

    artifact.make_once(spec, add_figures)
    artifact.make_once(spec, build_nothing)
    committed, done = capsys.readouterr().err.splitlines()
    for line, event in ((committed, "committed"), (done, "already done")):
        assert f'"event": "{event}", "rows": 3, "source": "hub", "artifact": "{spec.store.at(PATH)}"' in line


def test_the_digest_is_that_of_the_content(spec: Spec) -> None:
    made = artifact.make_once(spec, build())
    same = artifact.make_once(replace(spec, path="things/two"), build())
    other = artifact.make_once(replace(spec, path="things/three"), build(b"other"))
    assert made.digest == same.digest != other.digest


def test_a_measured_file_is_kept_and_is_not_part_of_the_digest(spec: Spec, tmp_path: Path) -> None:
    def build_with(seconds: bytes) -> Callable[[Draft], Mapping[str, int]]:
        def add_files(work: Draft) -> Mapping[str, int]:
            work.add_bytes("seconds", seconds, measured=True)
            return build()(work)

        return add_files

    first = artifact.make_once(spec, build_with(b"1.5"))
    second = artifact.make_once(replace(spec, path="things/two"), build_with(b"1.7"))
    assert first.digest == second.digest
    assert second.fetch("seconds", tmp_path).read_bytes() == b"1.7"


def test_a_folder_is_added_with_all_its_files_and_fetched_back(spec: Spec, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "a").write_bytes(b"1")
    (source / "deep" / "b").write_bytes(b"2")

    def add_folder(work: Draft) -> Mapping[str, int]:
        work.add_folder(source, "model/")
        return build()(work)

    made = artifact.make_once(spec, add_folder)
    assert made.names("model/") == ["model/a", "model/deep/b"]
    fetched = made.fetch_all(tmp_path / "back", "model/")
    assert (fetched / "a").read_bytes() == b"1"
    assert (fetched / "deep" / "b").read_bytes() == b"2"
    assert not (tmp_path / "back" / FILE).exists()


def test_the_files_of_a_part_are_listed_in_the_whole_without_a_copy(spec: Spec, tmp_path: Path) -> None:
    part = artifact.make_once(replace(spec, path=f"{PATH}/part-00000"), build())

    def include_part(work: Draft) -> Mapping[str, int]:
        work.include(part)
        return {}

    whole = artifact.make_once(spec, include_part)
    assert content(whole, tmp_path) == b"data"
    assert len(list(spec.store.objects(PATH))) == 3


def test_a_changed_file_is_not_read(spec: Spec, tmp_path: Path) -> None:
    made = artifact.make_once(spec, build())
    spec.store.write(f"{PATH}/{made.manifest.files[FILE].key}", b"DATA")
    with pytest.raises(artifact.DamagedFile, match="differs from its manifest"):
        made.fetch(FILE, tmp_path)
    assert not (tmp_path / FILE).exists()


def test_a_missing_object_of_a_file_is_damage_and_the_manifest_to_remove_is_named(spec: Spec, tmp_path: Path) -> None:
    made = artifact.make_once(spec, build())
    spec.store.delete(f"{PATH}/{made.manifest.files[FILE].key}")
    with pytest.raises(artifact.DamagedFile, match="does not exist, although its manifest names it") as caught:
        made.fetch(FILE, tmp_path)
    assert f"if this repeats, remove {made.url}/manifest.json, and run its job again" in str(caught.value)


def test_damage_of_a_file_of_a_part_names_the_manifests_of_the_part_and_of_the_whole(
    spec: Spec, tmp_path: Path
) -> None:
    part = artifact.make_once(replace(spec, path=f"{PATH}/part-00000"), build())

    def include_part(work: Draft) -> Mapping[str, int]:
        work.include(part)
        return {}

    whole = artifact.make_once(spec, include_part)
    spec.store.delete(f"{part.path}/{part.manifest.files[FILE].key}")
    with pytest.raises(artifact.DamagedFile) as caught:
        whole.fetch(FILE, tmp_path)
    assert f"remove {part.url}/manifest.json and {whole.url}/manifest.json, and run" in str(caught.value)


def test_a_file_that_the_manifest_does_not_name_is_bad_input(spec: Spec, tmp_path: Path) -> None:
    made = artifact.make_once(spec, build())
    with pytest.raises(InputError, match=r"has no file nothing; it has \['folder/file.txt'\]"):
        made.fetch("nothing", tmp_path)


@pytest.mark.parametrize("name", ["../above", "model/../../above", "/tmp/elsewhere"])
def test_no_file_is_written_outside_the_folder_of_a_download(spec: Spec, tmp_path: Path, name: str) -> None:
    made = artifact.make_once(spec, build())
    manifest = replace(made.manifest, files={name: made.manifest.files[FILE]})
    spec.store.write(f"{PATH}/{MANIFEST}", manifest.to_json())
    with pytest.raises(InputError, match="check who else can write to the store"):
        artifact.require(spec.store, PATH, "thing", "make").fetch_all(tmp_path / "folder")
    assert not any(tmp_path.iterdir())


def test_a_missing_artifact_names_the_command_that_makes_it(store: Store) -> None:
    with pytest.raises(NotReadyError, match="`skuscribe make it` makes it"):
        artifact.require(store, PATH, "thing", "make it")


def test_an_artifact_of_another_kind_is_a_wrong_setting(spec: Spec) -> None:
    artifact.make_once(spec, build())
    with pytest.raises(ConfigurationError, match="is an artifact of kind thing, expected catalogue"):
        artifact.require(spec.store, PATH, "catalogue", "prepare")


def test_removal_deletes_the_manifest_first_and_leaves_nothing(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact.make_once(spec, build())
    delete, deleted = spec.store.delete, []

    def watched_delete(key: str) -> None:
        deleted.append(key)
        delete(key)

    monkeypatch.setattr(spec.store, "delete", watched_delete)
    artifact.remove(spec.store, PATH)
    assert deleted[0] == f"{PATH}/manifest.json"
    assert list(spec.store.objects(PATH)) == []
