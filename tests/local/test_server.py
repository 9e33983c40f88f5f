"""A server outlives the command that started it, is found again and stopped, and is never confused with another process."""

import socket
import sys
from pathlib import Path

import pytest

from jobs.local import server
from jobs.local.server import Server, free_ports
from jobs.process.errors import NotReadyError

WEB_SERVER = """
import functools, http.server, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # as Postgres does: it is ignored in a background process of sh
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[3])
http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), handler).serve_forever()
"""


def web_server(port: int, folder: Path) -> list[str]:
    return [sys.executable, "-c", WEB_SERVER, server.HOST, str(port), str(folder)]


def test_a_server_is_found_again_until_it_is_stopped(tmp_path: Path) -> None:
    [port] = free_ports(1)
    web = Server("web", tmp_path)
    web.start(web_server(port, tmp_path), lambda: web.answers(port))
    again = Server("web", tmp_path)
    assert again.pid is not None
    assert again.stop()
    assert not again.stop()
    assert not again.answers(port)
    with pytest.raises(OSError, match="refused"), socket.create_connection((server.HOST, port), timeout=2):
        pass


def test_a_server_that_ends_at_once_is_an_error_that_names_its_log(tmp_path: Path) -> None:
    broken = Server("broken", tmp_path)
    with pytest.raises(NotReadyError, match=r"broken ended while it started: .*broken\.log says why"):
        broken.start([sys.executable, "-c", "raise SystemExit('no')", str(tmp_path)], lambda: False)
    assert broken.log_file.read_text() == "no\n"


def test_a_server_that_does_not_answer_in_time_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "START_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(server, "STOP_TIMEOUT_SECONDS", 0.3)  # it ignores the first signal
    silent = Server("silent", tmp_path)
    command = [sys.executable, "-c", "import time; time.sleep(60)", str(tmp_path)]
    with pytest.raises(NotReadyError, match=r"silent did not answer within .*silent\.log"):
        silent.start(command, lambda: False)
    assert silent.stop()


def test_a_pid_file_with_the_id_of_another_process_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "web.pid").write_text("1")
    assert Server("web", tmp_path).pid is None
    assert not Server("web", tmp_path).stop()
