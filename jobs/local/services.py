"""The local services, Postgres and S3, in one folder, and the environment variables with which every job connects to them.

They listen on loopback only. Their credentials are random and in `FOLDER/environment`, which only its owner can read. They
keep running after the command that started them; `stop()` stops them. Only one process at a time starts, stops or removes
them, the others wait for its lock (see `lock`).
"""

import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from jobs.local import lock, postgres, postgres_data, s3
from jobs.local.server import HOST, Server, free_ports
from jobs.process import folders

ENVIRONMENT_FILE = "environment"
SAMPLE_FILE, TEMPORARY = "sample.jsonl.gz", "tmp"
POSTGRES, S3 = "postgres", "s3"
OWN_FILES = (POSTGRES, S3, "psql", SAMPLE_FILE, TEMPORARY, ENVIRONMENT_FILE)


def start(folder: Path, credentials: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Start the services that are not running. Returns the environment variables with which every job connects to them.

    `credentials` (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, PGPASSWORD) replace those in the folder's file. Errors:
    `ConfigurationError` (78) if a package is missing or Postgres cannot run as this user, `NotReadyError` (75) if a server
    does not start, or if another process holds the lock for too long.
    """
    with lock.exclusive(folder):
        return _start(folder, credentials)


def _start(folder: Path, credentials: Mapping[str, str]) -> dict[str, str]:
    own = read_environment(folder) or _new_environment(folder)
    environment = own | dict(credentials)
    postgres_server, s3_server = _servers(folder)
    roles = {postgres.OWNER: environment["PGPASSWORD"], postgres.READER: environment["SKUSCRIBE_READER_PASSWORD"]}
    postgres.start(postgres_server, int(own["PGPORT"]), superuser_password=own["PGPASSWORD"], passwords=roles)
    s3.start(s3_server, s3_port(own), environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    _write_psql(folder)
    return environment


def adopt(environment: Mapping[str, str]) -> None:
    """Replace all AWS_* and PG* variables of this process by these, so that it and its children use these services only."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "PG"))]:
        del os.environ[name]
    os.environ.update(environment)


def stop(folder: Path) -> list[str]:
    """Stop the services. Returns the names of those that were running. Errors: as `lock.exclusive()`."""
    if not _has_files(folder):
        return []
    with lock.exclusive(folder):
        return _stop(folder)


def remove(folder: Path) -> list[Path]:
    """Stop the services, and remove their files, and the folder if it is empty then. Returns what was removed.

    Errors: as `lock.exclusive()`.
    """
    if not _has_files(folder):
        return []
    with lock.exclusive(folder):
        _stop(folder)
        elsewhere = postgres_data.remove_temporary_folder(folder / POSTGRES)
        removed = folders.remove(folder, (*OWN_FILES, lock.FILE))
    return [*elsewhere, *(path for path in removed if path.name != lock.FILE)]


def running(folder: Path) -> list[str]:
    """Return the names of the services that run."""
    return [server.name for server in _servers(folder) if server.pid is not None]


def read_environment(folder: Path) -> dict[str, str]:
    """Return the variables of the services in this folder, or none if they were never started."""
    path = folder / ENVIRONMENT_FILE
    if not path.exists():
        return {}
    words = [shlex.split(line.removeprefix("export "))[0] for line in path.read_text().splitlines() if line]
    return dict(word.split("=", 1) for word in words)


def s3_port(environment: Mapping[str, str]) -> int:
    """Return the port in the address of S3."""
    return int(environment["AWS_ENDPOINT_URL_S3"].rsplit(":", 1)[1])


def _stop(folder: Path) -> list[str]:
    return [server.name for server in _servers(folder) if server.stop()]


def _has_files(folder: Path) -> bool:
    """Return whether the services were ever started in this folder, or are being started."""
    return any((folder / name).exists() for name in (*OWN_FILES, lock.FILE))


def _servers(folder: Path) -> list[Server]:
    return [Server(name, folder / name) for name in (POSTGRES, S3)]


def _new_environment(folder: Path) -> dict[str, str]:
    s3_port, postgres_port = free_ports(2)
    environment = {
        "AWS_ENDPOINT_URL_S3": f"http://{HOST}:{s3_port}",
        "AWS_ACCESS_KEY_ID": secrets.token_hex(10),
        "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PGHOST": HOST,
        "PGPORT": str(postgres_port),
        "PGDATABASE": postgres.DATABASE,
        "PGUSER": postgres.OWNER,
        "PGPASSWORD": secrets.token_urlsafe(24),
        "SKUSCRIBE_STORE": f"s3://{s3.BUCKET}",
        "SKUSCRIBE_READER": postgres.READER,
        "SKUSCRIBE_READER_PASSWORD": secrets.token_urlsafe(24),
    }
    path = folder / ENVIRONMENT_FILE
    descriptor = os.open(path.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
    path.with_suffix(".new").replace(path)
    return environment


def _write_psql(folder: Path) -> None:
    """Write `FOLDER/psql`, which runs the psql of the local Postgres as the read-only role."""
    script = folder / "psql"
    script.write_text(
        f"#!/bin/sh\n. {shlex.quote(str(folder / ENVIRONMENT_FILE))}\n"
        'export PGUSER="$SKUSCRIBE_READER" PGPASSWORD="$SKUSCRIBE_READER_PASSWORD"\n'
        f'exec {shlex.quote(str(postgres.programs() / "psql"))} "$@"\n'
    )
    script.chmod(0o700)
