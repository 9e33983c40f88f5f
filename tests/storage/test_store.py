"""The store against a real S3 server: reads, conditional writes, and the exit code of each fault."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage.store import MULTIPART_BYTES, Store, file_sha256, head_input, open_input


def test_an_object_is_read_as_it_was_written_and_a_missing_one_is_none(store: Store) -> None:
    store.write("a/b", b"\x00text")
    assert store.read("a/b") == b"\x00text"
    assert store.read("a/c") is None
    assert store.read_with_etag("a/c") is None


def test_the_etag_changes_with_the_content_only(store: Store) -> None:
    etags = []
    for data in (b"1", b"2", b"1"):
        store.write("a", data)
        stored = store.read_with_etag("a")
        assert stored is not None
        assert stored[0] == data
        etags.append(stored[1])
    assert etags[0] == etags[2] != etags[1]
    assert [listed.etag for listed in store.objects("a")] == [etags[0]]
    assert head_input(store.at("a")) == (etags[0], 1)


def test_of_concurrent_writers_of_a_missing_key_exactly_one_succeeds(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda number: store.write_if_absent("marker", str(number).encode()), range(8)))
    assert sum(written) == 1
    assert store.read("marker") == str(written.index(True)).encode()


def test_of_concurrent_replacements_of_an_object_exactly_one_succeeds(store: Store) -> None:
    store.write("marker", b"old")
    stored = store.read_with_etag("marker")
    assert stored is not None
    with ThreadPoolExecutor(8) as pool:
        written = list(
            pool.map(lambda number: store.write_if_match("marker", str(number).encode(), stored[1]), range(8))
        )
    assert sum(written) == 1
    assert store.read("marker") == str(written.index(True)).encode()


def test_an_object_that_was_replaced_or_removed_meanwhile_is_not_replaced(store: Store) -> None:
    store.write("marker", b"old")
    stored = store.read_with_etag("marker")
    assert stored is not None
    store.write("marker", b"new")
    assert not store.write_if_match("marker", b"late", stored[1])
    assert store.read("marker") == b"new"
    store.delete("marker")
    assert not store.write_if_match("marker", b"late", stored[1])
    assert store.read("marker") is None


@pytest.mark.parametrize("size", [10_000_000, MULTIPART_BYTES + 1], ids=["in one part", "in two parts"])
def test_a_file_is_downloaded_as_it_was_uploaded(store: Store, tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "file", tmp_path / "back" / "file"
    source.write_bytes((bytes(range(256)) * (size // 256 + 1))[:size])
    store.upload("file", source)
    store.download("file", target)
    assert target.stat().st_size == size
    assert file_sha256(target) == file_sha256(source)


def test_an_object_that_is_a_web_page_is_read_like_any_other(store: Store, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_bytes(b"<!doctype html><title>Report</title>")
    store.upload("report/index.html", page)
    store.download("report/index.html", tmp_path / "back.html")
    assert store.read("report/index.html") == page.read_bytes() == (tmp_path / "back.html").read_bytes()


def test_objects_and_folders_are_listed_relative_to_the_prefix(store: Store) -> None:
    for key in ("runs/a/x", "runs/a/y", "runs/b/x", "other"):
        store.write(key, b"12")
    assert [(stored.key, stored.size) for stored in store.objects("runs/")] == [
        ("runs/a/x", 2),
        ("runs/a/y", 2),
        ("runs/b/x", 2),
    ]
    assert store.folders("runs/") == ["a", "b"]


def test_a_deleted_object_is_missing_and_deleting_it_again_is_no_error(store: Store) -> None:
    store.write("a", b"1")
    store.delete("a")
    store.delete("a")
    assert store.read("a") is None


def test_a_download_of_a_missing_object_is_not_ready(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="does not exist"):
        store.download("nothing", tmp_path / "x")


def test_wrong_credentials_are_a_wrong_setting_and_no_message_shows_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(ConfigurationError, match="refuses these credentials") as caught:
        Store(store.url).read("x")
    assert "not-the-secret" not in str(caught.value)


@pytest.mark.parametrize("has_run", [True, False])
def test_missing_credentials_are_a_wrong_setting(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, has_run: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    if has_run:
        (tmp_path / ".skuscribe").mkdir()
        (tmp_path / ".skuscribe" / "environment").touch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    with pytest.raises(ConfigurationError, match="no S3 credentials") as caught:
        Store(store.url).write("x", b"1")
    assert (". .skuscribe/environment` sets those of `make run`" in str(caught.value)) == has_run


def test_a_missing_bucket_is_a_wrong_setting(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="the bucket of s3://nobody-made-this/ does not exist"):
        list(Store("s3://nobody-made-this").objects(""))


def test_an_endpoint_without_a_scheme_is_a_wrong_setting_that_is_named(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "minio.example:9000")
    with pytest.raises(
        ConfigurationError, match=r"An endpoint is http://HOST:PORT or https://HOST \(AWS_ENDPOINT_URL_S3\)"
    ):
        Store(store.url).read("x")


def test_a_server_that_does_not_answer_is_not_ready(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(NotReadyError, match=r"cannot be reached.*check AWS_ENDPOINT_URL_S3,"):
        Store(store.url).read("x")


def test_an_error_names_the_variable_of_the_endpoint_that_is_set_and_the_bucket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://test:test@127.0.0.1:9")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with pytest.raises(NotReadyError, match=r'"http://\*\*\*@127.0.0.1:9/test-bucket/x".*check AWS_ENDPOINT_URL,'):
        Store("s3://test-bucket").read("x")


def test_an_object_outside_the_store_is_read_by_its_address(store: Store) -> None:
    store.write("raw/rows.jsonl", b"{}\n")
    assert open_input(store.at("raw/rows.jsonl")).read() == b"{}\n"
    for read in (open_input, head_input):
        with pytest.raises(NotReadyError, match="does not exist"):
            read(store.at("raw/none.jsonl"))
