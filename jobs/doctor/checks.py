"""The checks of `doctor`. Each returns a line that says what works, or raises an error that says what to do."""

import os
import shutil
import tempfile
from pathlib import Path

from jobs.database import connection, migrations
from jobs.database.address import address
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.retrieval.encoder import Encoder
from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact
from jobs.storage.layout import MANIFEST
from jobs.storage.store import Store

GIGABYTE = 1e9
CGROUP = Path("/sys/fs/cgroup")
MEMORY_FILES = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)
"""Limit, use, statistics, and in these the page cache that the kernel reclaims first: of cgroup v2, of v1."""


def base_models(url: str) -> str:
    """Compare the files of each base model with its manifest, by size: only `Artifact.fetch()` reads and verifies them."""
    store = Store(url)
    models = [artifact.find(store, layout.model_path(name)) for name in store.folders(layout.MODELS)]
    lines = [_base_model(model) for model in models if model is not None]
    return "; ".join(lines) or "none yet: `skuscribe fetch-model` stores one"


def postgres() -> str:
    """Connect to Postgres, check its version, its encoding and pgvector, and try what `index` does, leaving nothing."""
    with connection.session() as session:
        vector = migrations.require_versions(session)
        row = session.execute(connection.statement("who_am_i")).fetchone()
        version, user, schema, may_write = row or ("of unknown version", "", "", True)
        if not may_write:
            raise ConfigurationError(
                f"the user {user} may not create the schema skuscribe in {address()}, or does not own it: connect as its "
                f'owner, or let an administrator run GRANT CREATE ON DATABASE "{session.info.dbname}" TO "{user}"'
            )
        with session.transaction(force_rollback=True):
            session.execute(connection.statement("try_index"))
        pool = ", through a connection pool" if session.is_pooled else ""
        text = f"{version} at {address()}{pool}, pgvector {vector} in the schema {schema}, as {user}"
        held = (
            session.execute(connection.statement("held_builds")).fetchall() if migrations.is_migrated(session) else []
        )
        builds = [f"; process {pid} of {role} has been building {name} for {age} s" for name, pid, role, age in held]
        return text + "".join(builds)


def encoder(name: str) -> str:
    """Load the sentence encoder and embed a text."""
    loaded = Encoder(name)
    norms = (loaded.encode(["a red bicycle"]) ** 2).sum(axis=1)
    return f"{name}: {loaded.dimensions} dimensions, norm {norms[0]:.3f}"


def disk(minimum_gigabytes: float) -> str:
    """Compare the free space of TMPDIR's disk with the minimum."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free / GIGABYTE
    if free < minimum_gigabytes:
        raise NotReadyError(
            f"{free:.1f} GB free in {folder}, expected {minimum_gigabytes:.1f}: free some, or set TMPDIR"
        )
    return f"{free:.1f} GB free in {folder}"


def memory(minimum_gigabytes: float, cgroup: Path = CGROUP) -> str:
    """Compare the free memory with the minimum. `cgroup`: the folder where the cgroup of this process is mounted."""
    free = _available_memory_bytes(cgroup) / GIGABYTE
    if free < minimum_gigabytes:
        raise NotReadyError(
            f"{free:.1f} GB of memory free, expected {minimum_gigabytes:.1f}: raise the pod's memory limit"
        )
    return f"{free:.1f} GB free"


def _base_model(model: Artifact) -> str:
    sizes = {stored.key: stored.size for stored in model.store.objects(f"{model.path}/")}
    for file in model.manifest.files.values():
        if sizes.get(f"{model.path}/{file.key}") != file.size:
            raise NotReadyError(
                f"{model.url}/{file.key} is missing or differs in size from its manifest (expected {file.size:,} bytes): "
                f"remove {model.url}/{MANIFEST} and run `skuscribe fetch-model`"
            )
    name, parameters = model.path.removeprefix(layout.MODELS), model.manifest.figures.get("parameters")
    return f"{name}, complete" + (f", {parameters:,} parameters" if parameters else "")


def _available_memory_bytes(cgroup: Path) -> int:
    """Return the memory that this process may still take: the machine's, or what its cgroup leaves if that is less."""
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        available = int(fields["MemAvailable"].split()[0]) * 1024
    left = _cgroup_memory_bytes(cgroup)
    return available if left is None else min(available, left)


def _cgroup_memory_bytes(cgroup: Path) -> int | None:
    """Return what the limit of a cgroup leaves, with the inactive page cache; None if it has no limit."""
    for limit, used, statistics, cache in MEMORY_FILES:
        if (cgroup / limit).exists():
            maximum = (cgroup / limit).read_text().strip()
            if maximum == "max":
                return None
            lines = (cgroup / statistics).read_text().splitlines() if (cgroup / statistics).exists() else []
            counts = dict(line.split() for line in lines)
            return int(maximum) - int((cgroup / used).read_text()) + int(counts.get(cache, 0))
    return None
