"""Reach every service with the credentials given, and say for each what works, what does not and what to do.

Reads the environment, as every job does; writes one object into S3 and removes it. Exit code 0 when all that is needed
works, 75 when something is not there, 78 when a setting is wrong. Try: skuscribe doctor
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jobs.doctor.settings import Settings
from jobs.process.errors import ConfigurationError, JobError, NotReadyError
from jobs.storage import artifact, layout
from jobs.storage.store import Store
from jobs.t5 import gpu


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `exit_code` is 0 when it works, else that of the error."""

    what: str
    text: str
    exit_code: int = 0


def run(settings: Settings) -> None:
    """Print the findings. Errors: the gravest of them, with its exit code."""
    findings = []
    for finding in look(settings):
        findings.append(finding)
        print(f"{'ok  ' if finding.exit_code == 0 else 'FAIL'}  {finding.what:<10}  {finding.text}", flush=True)
    wrong = [finding for finding in findings if finding.exit_code]
    if wrong:
        names = ", ".join(finding.what for finding in wrong)
        message = f"{len(wrong)} of {len(findings)} checks failed: {names}; each line above says what to do"
        raise ConfigurationError(message) if any(item.exit_code == 78 for item in wrong) else NotReadyError(message)


def look(settings: Settings) -> Iterator[Finding]:
    """Each finding as soon as it is made."""
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("S3", lambda: _s3(settings.store)),
        ("model", lambda: _models(settings.store)),
        ("Postgres", _postgres),
        ("encoder", lambda: _encoder(settings.encoder)),
        ("GPU", lambda: gpu.described(required=settings.require_gpu)),
        ("disk", lambda: _disk(settings.minimum_disk)),
        ("memory", lambda: _memory(settings.minimum_memory)),
    )
    for what, check in checks:
        try:
            yield Finding(what, check())
        except JobError as error:
            yield Finding(what, str(error), error.exit_code)


def _s3(url: str) -> str:
    store = Store(url)
    key = f"doctor-{uuid.uuid4().hex[:12]}"
    try:
        first, second = store.write_if_absent(key, b"1"), store.write_if_absent(key, b"2")
        if not first or second or store.read(key) != b"1":
            raise ConfigurationError(
                f"{url} does not honour If-None-Match: a second conditional write went through. Two writers could overwrite "
                "each other: use a server that has conditional writes (AWS, R2, MinIO, SeaweedFS)"
            )
    finally:
        store.delete(key)
    where = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "AWS"
    return f"{url} at {where}: read, write, list, delete and conditional writes work"


def _models(url: str) -> str:
    """Whether each base model is whole, by the sizes of its files: to read them all is what `fetch` does."""
    store, found = Store(url), []
    for name in store.folders("models/"):
        model = artifact.find(store, layout.model_path(name))
        if model is None:
            continue
        sizes = {item.key: item.size for item in store.objects(f"{model.path}/")}
        for item in model.manifest.files.values():
            if sizes.get(f"{model.path}/{item.key}") != item.size:
                raise NotReadyError(
                    f"{store.at(model.path)}/{item.key} is missing or has another size than its manifest promises "
                    f"({item.size:,} bytes): remove {store.at(model.path)}/{layout.MANIFEST} and run `skuscribe fetch-model`"
                )
        parameters = model.manifest.figures.get("parameters")
        found.append(f"{name}, whole" + (f", {parameters:,} parameters" if parameters else ""))
    return "; ".join(found) or "none yet: `skuscribe fetch-model` stores one"


def _postgres() -> str:
    from jobs.database import connection as database
    from jobs.database import migrations

    with database.connect() as connection:
        version = connection.execute("SHOW server_version").fetchone()
        vector = migrations.require_versions(connection)
        info = connection.info
        return f"{version[0] if version else '?'} at {info.host}, pgvector {vector}, as {info.user}"


def _encoder(name: str) -> str:
    from jobs.retrieval.encoder import Encoder

    encoder = Encoder(name)
    norms = (encoder.encode(["a red bicycle"]) ** 2).sum(axis=1)
    return f"{name}: {encoder.dimensions} dimensions, norm {norms[0]:.3f}"


def _disk(minimum_gigabytes: float) -> str:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free / 1e9
    if free < minimum_gigabytes:
        raise NotReadyError(
            f"{free:.1f} GB free in {folder}, expected {minimum_gigabytes:.1f}: free some, or set TMPDIR"
        )
    return f"{free:.1f} GB free in {folder}"


def _memory(minimum_gigabytes: float) -> str:
    free = available_memory_bytes() / 1e9
    if free < minimum_gigabytes:
        raise NotReadyError(
            f"{free:.1f} GB of memory free, expected {minimum_gigabytes:.1f}: raise the pod's memory limit"
        )
    return f"{free:.1f} GB free"


def available_memory_bytes() -> int:
    """Memory that this process may still take, in bytes: the machine's, or what its cgroup leaves where that is less."""
    from pathlib import Path

    pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        pages = int(fields["MemAvailable"].split()[0]) * 1024
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and limit.read_text().strip() != "max":
        return min(pages, int(limit.read_text()) - int(used.read_text()))
    return pages
