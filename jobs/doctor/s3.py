"""The check of S3: every kind of request that the jobs make, on objects that it writes and deletes."""

import filecmp
import os
import tempfile
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jobs.process.errors import ConfigurationError, JobError
from jobs.storage.s3_answers import endpoint
from jobs.storage.s3_errors import endpoint_variable
from jobs.storage.store import MULTIPART_BYTES, Store, unconditional

DATA = b"skuscribe doctor"
BLOCK_BYTES = 1 << 20


def check(url: str) -> str:
    """List, write, read, replace, upload, download and delete objects. Returns a line that says so.

    Errors: that of the first request that fails, with the requests that worked before it.
    """
    store = Store(url)
    key = f"doctor-{uuid.uuid4().hex[:12]}"
    steps: tuple[tuple[str, Callable[[Store, str], None]], ...] = (
        ("list objects", _list),
        ("write an object", _write),
        ("read it", _read),
        ("read a missing object", _read_missing),
        ("write conditionally", _write_conditionally),
        ("upload a file in parts and download it", _transfer),
        ("delete both", _delete),
        ("list none afterwards", _list_none),
    )
    done: list[str] = []
    try:
        for name, step in steps:
            try:
                step(store, key)
            except JobError as error:
                before = f"worked: {', '.join(done)}" if done else "nothing worked before it"
                raise type(error)(f"{error} (at {endpoint()}; tried to {name}; {before})") from error
            done.append(name)
    finally:
        for left in (key, f"{key}-file"):
            with suppress(JobError):
                store.delete(left)
    return (
        f"{url} at {endpoint()}: wrote, read, listed and deleted objects; conditional writes and uploads in parts work"
    )


def _list(store: Store, key: str) -> None:
    found = [listed.key for listed in store.objects(key)]
    if found:
        raise ConfigurationError(f"{store.at(key)} was never written and is listed: this server is not usable")


def _write(store: Store, key: str) -> None:
    store.write(key, DATA)


def _read(store: Store, key: str) -> None:
    found = store.read(key)
    if found != DATA:
        raise ConfigurationError(f"{store.at(key)} was just written and reads as {found!r}: this server is not usable")
    if [listed.key for listed in store.objects(key)] != [key]:
        raise ConfigurationError(f"{store.at(key)} was just written and is not listed: this server is not usable")


def _read_missing(store: Store, key: str) -> None:
    found = store.read(f"{key}-missing")
    if found is not None:
        raise ConfigurationError(
            f"{store.at(key)}-missing was never written and reads as {found[:80]!r}: check {endpoint_variable()}"
        )


def _write_conditionally(store: Store, key: str) -> None:
    if not store.honours_if_none_match(key):
        raise unconditional(store.url, "If-None-Match")
    if not store.honours_if_match(key):
        raise unconditional(store.url, "If-Match")
    if not store.replaces_by_own_etag(key):
        raise ConfigurationError(
            f"{store.at(key)} cannot be replaced by its own ETag (If-Match): use another S3 server, or a path to it without a "
            "proxy that changes ETags"
        )


def _transfer(store: Store, key: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "sent"), Path(folder, "received")
        with source.open("wb") as file:  # larger than one part, as models and checkpoints are
            for _ in range(MULTIPART_BYTES // BLOCK_BYTES):
                file.write(os.urandom(BLOCK_BYTES))
            file.write(b"1")
        store.upload(f"{key}-file", source)
        store.download(f"{key}-file", target)
        if not filecmp.cmp(source, target, shallow=False):
            raise ConfigurationError(
                f"{store.at(key)}-file reads as {target.stat().st_size:,} bytes, expected {source.stat().st_size:,}: this server "
                "stores something else than it is sent, set AWS_REQUEST_CHECKSUM_CALCULATION=when_required"
            )


def _delete(store: Store, key: str) -> None:
    store.delete(key)
    store.delete(f"{key}-file")


def _list_none(store: Store, key: str) -> None:
    if list(store.objects(key)):
        raise ConfigurationError(f"{store.at(key)} was just deleted and is still listed: this server is not usable")
