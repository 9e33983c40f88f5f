"""A server that outlives its parent: found again, ended, and never confused with another process."""

import socket
import sys
from pathlib import Path

import pytest

from jobs.local import server
from jobs.local.server import Server, free_ports
from jobs.process.errors import NotReadyError


def listening(port: int, folder: Path) -> list[str]:
    return [sys.executable, "-m", "http.server", str(port), "--bind", server.HOST, "--directory", str(folder)]


def test_it_is_found_again_until_it_is_stopped(tmp_path: Path) -> None:
    [port] = free_ports(1)
    web = Server("web", tmp_path)
    web.start(listening(port, tmp_path), lambda: web.answers(port))
    again = Server("web", tmp_path)
    assert again.process is not None
    assert again.stop()
    assert not again.stop()
    assert not again.answers(port)
    with pytest.raises(OSError, match="refused"), socket.create_connection((server.HOST, port), timeout=2):
        pass


def test_one_that_ends_at_once_is_said_with_its_log(tmp_path: Path) -> None:
    broken = Server("broken", tmp_path)
    with pytest.raises(NotReadyError, match=r"broken ended while it started; its log is .*broken\.log"):
        broken.start([sys.executable, "-c", "raise SystemExit('no')", str(tmp_path)], lambda: False)
    assert broken.log_file.read_text() == "no\n"


def test_one_that_never_answers_is_said_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "START_TIMEOUT_SECONDS", 0.3)
    silent = Server("silent", tmp_path)
    command = [sys.executable, "-c", "import time; time.sleep(60)", str(tmp_path)]
    with pytest.raises(NotReadyError, match="did not answer"):
        silent.start(command, lambda: False)
    assert silent.stop()


def test_an_id_that_went_to_another_process_is_not_ours(tmp_path: Path) -> None:
    Server("web", tmp_path)._process_file.write_text("1")
    assert Server("web", tmp_path).process is None
