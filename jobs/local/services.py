"""Both embedded services in one folder, and the environment in which every job finds them.

They listen on loopback alone, under random credentials that lie in `FOLDER/environment`, which only its owner reads.
They outlive the command that started them; `stop()` ends them.
"""

import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from jobs.local import postgres, s3
from jobs.local.server import HOST, Server, free_ports
from jobs.process import folders

ENVIRONMENT_FILE = "environment"
SAMPLE_FILE, TEMPORARY = "sample.jsonl.gz", "tmp"
NAMES = ("postgres", "s3")
OURS = (*NAMES, "psql", SAMPLE_FILE, TEMPORARY, ENVIRONMENT_FILE)


def start(folder: Path, credentials: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Start what is not running yet. Returns the environment in which every job finds both services.

    `credentials` (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, PGPASSWORD) take the place of those in the folder's file.
    Errors: `ConfigurationError` where a package is missing, `NotReadyError` where a server does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = read_environment(folder) or _new_environment(folder)
    environment = own | dict(credentials)
    postgres_server, s3_server = _servers(folder)
    roles = {postgres.OWNER: environment["PGPASSWORD"], postgres.READER: environment["SKUSCRIBE_READER_PASSWORD"]}
    postgres.start(postgres_server, int(own["PGPORT"]), superuser_password=own["PGPASSWORD"], passwords=roles)
    s3.start(s3_server, s3_port(own), environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    _write_psql(folder)
    return environment


def adopt(environment: Mapping[str, str]) -> None:
    """Make these services this process's own, and its children's: no other AWS_* or PG* variable leads them elsewhere."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "PG"))]:
        del os.environ[name]
    os.environ.update(environment)


def stop(folder: Path) -> list[str]:
    """Stop both. Returns the names of those that were running."""
    return [server.name for server in _servers(folder) if server.stop()]


def remove(folder: Path) -> list[Path]:
    """Remove what is ours in the folder of services that do not run, and the folder where nothing else is in it."""
    return folders.remove(folder, OURS)


def running(folder: Path) -> list[str]:
    """The names of those that run."""
    return [server.name for server in _servers(folder) if server.process is not None]


def read_environment(folder: Path) -> dict[str, str]:
    """The variables of the services in this folder; empty where they were never started."""
    path = folder / ENVIRONMENT_FILE
    if not path.exists():
        return {}
    words = [shlex.split(line.removeprefix("export "))[0] for line in path.read_text().splitlines() if line]
    return dict(word.split("=", 1) for word in words)


def s3_port(environment: Mapping[str, str]) -> int:
    """The port in the address of S3."""
    return int(environment["AWS_ENDPOINT_URL_S3"].rsplit(":", 1)[1])


def _servers(folder: Path) -> list[Server]:
    return [Server(name, folder / name) for name in NAMES]


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
    """`FOLDER/psql`: the psql that comes with the embedded Postgres, as the read-only role."""
    script = folder / "psql"
    script.write_text(
        f"#!/bin/sh\n. {shlex.quote(str(folder / ENVIRONMENT_FILE))}\n"
        'export PGUSER="$SKUSCRIBE_READER" PGPASSWORD="$SKUSCRIBE_READER_PASSWORD"\n'
        f'exec {shlex.quote(str(postgres.programs() / "psql"))} "$@"\n'
    )
    script.chmod(0o700)
