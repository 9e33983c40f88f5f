"""The embedded services: loopback alone, random credentials that only the owner reads, and they come back."""

import stat
import subprocess
from pathlib import Path

import psutil
import pytest

from jobs.local import services


def test_credentials_lie_in_a_file_that_only_its_owner_reads(service_folder: Path) -> None:
    mode = (service_folder / services.ENVIRONMENT_FILE).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_every_listener_is_on_loopback(service_folder: Path) -> None:
    for name in ("postgres", "s3"):
        process = psutil.Process(int((service_folder / name / f"{name}.pid").read_text()))
        listeners = [item for item in process.net_connections("inet") if item.status == psutil.CONN_LISTEN]
        assert listeners
        assert {item.laddr.ip for item in listeners} == {"127.0.0.1"}


def test_no_secret_stands_in_a_process_list(service_folder: Path) -> None:
    environment = services.read_environment(service_folder)
    for name in ("postgres", "s3"):
        process = psutil.Process(int((service_folder / name / f"{name}.pid").read_text()))
        words = " ".join(process.cmdline())
        assert environment["PGPASSWORD"] not in words
        assert environment["AWS_SECRET_ACCESS_KEY"] not in words


def test_starting_twice_changes_nothing(service_folder: Path) -> None:
    before = [(service_folder / name / f"{name}.pid").read_text() for name in ("postgres", "s3")]
    environment = services.start(service_folder)
    assert environment == services.read_environment(service_folder)
    assert before == [(service_folder / name / f"{name}.pid").read_text() for name in ("postgres", "s3")]


def test_psql_reads_as_the_reader(service_folder: Path) -> None:
    done = subprocess.run(
        [service_folder / "psql", "-Atc", "SELECT current_user"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "skuscribe_reader\n"


def test_data_outlives_a_stop_and_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.storage.store import Store

    folder = tmp_path / "services"
    environment = services.start(folder)
    try:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        Store("s3://skuscribe").write("kept", b"1")
        assert services.stop(folder) == ["postgres", "s3"]
        assert services.stop(folder) == []
        services.start(folder)
        for name in ("postgres", "s3"):
            psutil.Process(int((folder / name / f"{name}.pid").read_text())).kill()
        services.start(folder)
        assert Store("s3://skuscribe").read("kept") == b"1"
    finally:
        services.stop(folder)
