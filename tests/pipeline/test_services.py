"""The wait for the services of the demo."""

import socket

import pytest

from jobs.pipeline import backoff, services
from jobs.process.errors import NotReadyError


def test_an_address_that_accepts_connections_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        services.wait_for([f"127.0.0.1:{server.getsockname()[1]}"])


def test_an_address_that_accepts_connections_later_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(backoff, "FIRST_DELAY_SECONDS", 0.01)
    answers = iter([False, False, True])
    monkeypatch.setattr(services, "_accepts", lambda host, port: next(answers))
    services.wait_for(["services:8333"])
    assert "services:8333 does not accept connections yet" in capsys.readouterr().err
    assert next(answers, None) is None


def test_an_address_that_never_accepts_connections_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_DELAY_SECONDS", 0.01)
    monkeypatch.setattr(services, "WAIT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NotReadyError, match=rf"127\.0\.0\.1:{port} does not accept connections yet"):
        services.wait_for([f"127.0.0.1:{port}"])
