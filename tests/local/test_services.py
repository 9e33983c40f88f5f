"""The local services listen on loopback only, have credentials that only the owner can read, and keep their data."""

import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from jobs.local import services
from jobs.local.services import POSTGRES, S3
from jobs.storage.store import Store

pytestmark = pytest.mark.slow


def pid_files(folder: Path) -> list[Path]:
    return [folder / name / f"{name}.pid" for name in (POSTGRES, S3)]


def processes(folder: Path) -> list[psutil.Process]:
    return [psutil.Process(int(path.read_text())) for path in pid_files(folder)]


def test_only_the_owner_can_read_the_credentials(service_folder: Path) -> None:
    mode = (service_folder / services.ENVIRONMENT_FILE).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_every_listener_is_on_loopback(service_folder: Path) -> None:
    for process in processes(service_folder):
        listeners = [item for item in process.net_connections("inet") if item.status == psutil.CONN_LISTEN]
        assert listeners
        assert {item.laddr.ip for item in listeners} == {"127.0.0.1"}


def test_no_secret_is_visible_in_a_process_list(service_folder: Path) -> None:
    environment = services.read_environment(service_folder)
    for process in processes(service_folder):
        words = " ".join(process.cmdline())
        assert environment["PGPASSWORD"] not in words
        assert environment["AWS_SECRET_ACCESS_KEY"] not in words


def test_starting_twice_changes_nothing(service_folder: Path) -> None:
    before = processes(service_folder)
    environment = services.start(service_folder)
    assert environment == services.read_environment(service_folder)
    assert processes(service_folder) == before


def test_psql_connects_as_the_read_only_role(service_folder: Path) -> None:
    done = subprocess.run(
        [service_folder / "psql", "-Atc", "SELECT current_user"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "skuscribe_reader\n"


def test_data_survives_a_stop_and_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "services"
    environment = services.start(folder)
    try:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        Store("s3://skuscribe").write("kept", b"1")
        assert services.stop(folder) == ["postgres", "s3"]
        assert services.stop(folder) == []
        services.start(folder)
        for process in processes(folder):
            process.kill()
        services.start(folder)
        assert Store("s3://skuscribe").read("kept") == b"1"
    finally:
        services.stop(folder)


def test_services_that_are_started_twice_at_once_start_once(tmp_path: Path) -> None:
    folder = tmp_path / "services"
    try:
        with ThreadPoolExecutor(3) as threads:
            environments = list(threads.map(services.start, [folder] * 3))
        assert environments == [services.read_environment(folder)] * 3
        assert [process.is_running() for process in processes(folder)] == [True, True]
        commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
        assert sum(f"skuscribe.folder={folder / POSTGRES}" in command for command in commands) == 1
        with ThreadPoolExecutor(2) as threads:
            stopped = list(threads.map(services.stop, [folder] * 2))
        assert sorted(stopped) == [[], ["postgres", "s3"]]
    finally:
        services.stop(folder)


def test_services_start_after_their_first_start_was_killed_while_it_created_the_database(tmp_path: Path) -> None:
    folder = tmp_path / "services"
    start = f"from pathlib import Path; from jobs.local import services; services.start(Path({str(folder)!r}))"
    first = subprocess.Popen([sys.executable, "-c", start], start_new_session=True)
    while not list(folder.glob(f"{POSTGRES}/data*/PG_VERSION")):
        assert first.poll() is None
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    try:
        services.start(folder)
        assert [path.name for path in (folder / POSTGRES).glob("data*")] == ["data"]
    finally:
        services.stop(folder)


KILLED_BEFORE_THE_ROLES = """
import os
from pathlib import Path
import psycopg
from jobs.local import services
execute = psycopg.Connection.execute
def execute_or_die(self, query, *arguments, **options):
    if "pg_roles" in str(query):
        os._exit(1)
    return execute(self, query, *arguments, **options)
psycopg.Connection.execute = execute_or_die
services.start(Path({folder!r}))
"""


def test_services_start_after_their_first_start_was_killed_before_it_created_the_roles(tmp_path: Path) -> None:
    folder = tmp_path / "services"
    first = subprocess.run([sys.executable, "-c", KILLED_BEFORE_THE_ROLES.format(folder=str(folder))], check=False)
    try:
        assert first.returncode == 1
        assert services.running(folder) == [POSTGRES]
        services.start(folder)
        done = subprocess.run(
            [folder / "psql", "-Atc", "SELECT count(*) FROM pg_extension WHERE extname = 'vector'"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == "1\n"
    finally:
        services.stop(folder)
