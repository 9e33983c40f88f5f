"""The store against a real S3 server: what is written is read, who is first wins, and each fault has its exit code."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage.store import Store, file_sha256, open_input


def test_an_object_is_read_as_it_was_written_and_a_missing_one_is_none(store: Store) -> None:
    store.write("a/b", b"\x00text")
    assert store.read("a/b") == b"\x00text"
    assert store.read("a/c") is None


def test_of_many_writers_of_one_key_exactly_one_is_first(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: store.write_if_absent("marker", str(number).encode()), range(8)))
    assert sum(won) == 1
    assert store.read("marker") == str(won.index(True)).encode()


def test_a_file_survives_the_way_there_and_back(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.write_bytes(bytes(range(256)) * 40_000)
    store.upload("large", source)
    store.download("large", tmp_path / "back" / "large")
    assert file_sha256(tmp_path / "back" / "large") == file_sha256(source)


def test_objects_and_folders_are_listed_relative_to_the_prefix(store: Store) -> None:
    for key in ("runs/a/x", "runs/a/y", "runs/b/x", "other"):
        store.write(key, b"1")
    assert [item.key for item in store.objects("runs/")] == ["runs/a/x", "runs/a/y", "runs/b/x"]
    assert store.folders("runs/") == ["a", "b"]


def test_deleting_removes_an_object_and_forgives_a_missing_one(store: Store) -> None:
    store.write("a", b"1")
    store.delete("a")
    store.delete("a")
    assert store.read("a") is None


def test_a_missing_object_to_download_is_not_ready(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="is not there"):
        store.download("nothing", tmp_path / "x")


def test_wrong_credentials_are_a_wrong_setting_and_stay_secret(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(ConfigurationError, match="refuses these credentials") as caught:
        Store(store.url).read("x")
    assert "not-the-secret" not in str(caught.value)


def test_missing_credentials_are_a_wrong_setting(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    with pytest.raises(ConfigurationError, match="no S3 credentials"):
        Store(store.url).write("x", b"1")


def test_a_missing_bucket_is_a_wrong_setting(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="no bucket"):
        list(Store("s3://nobody-made-this").objects(""))


def test_a_server_that_is_not_there_is_not_ready(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(NotReadyError, match="cannot be reached"):
        Store(store.url).read("x")


def test_raw_rows_are_read_from_any_bucket_address(store: Store) -> None:
    store.write("raw/rows.jsonl", b"{}\n")
    assert open_input(store.at("raw/rows.jsonl")).read() == b"{}\n"
    with pytest.raises(NotReadyError):
        open_input(store.at("raw/none.jsonl"))
