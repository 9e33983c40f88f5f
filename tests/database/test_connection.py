"""Connections to Postgres, and what each of their errors says."""

import socket

import psycopg
import pytest

from jobs.database.connection import SQL_FOLDER, connect, session
from jobs.database.migrations import migrate
from jobs.process.errors import ConfigurationError, NotReadyError
from tests.database.roles import superuser


def test_a_read_only_session_cannot_write(database: str) -> None:
    with connect() as connection:
        migrate(connection)
    with pytest.raises(ConfigurationError, match="is read-only"), session(read_only=True) as connection:
        connection.execute("DELETE FROM skuscribe.failure")


def test_a_server_that_does_not_answer_is_not_ready(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as listener:  # bound, not listening: the port is taken and refuses connections
        listener.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PGPORT", str(listener.getsockname()[1]))
        with pytest.raises(NotReadyError, match=r"cannot be reached at 127\.0\.0\.1:"):
            connect()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PGPASSWORD", "not-the-password"), ("PGDATABASE", "nowhere"), ("PGUSER", "nobody")],
)
def test_a_refused_connection_is_a_wrong_setting_and_shows_no_password(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match="refuses the connection") as caught:
        connect()
    assert environment["PGPASSWORD"] not in str(caught.value)
    assert "not-the-password" not in str(caught.value)


def test_a_timeout_that_is_not_a_number_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "soon")
    with pytest.raises(ConfigurationError, match="PGCONNECT_TIMEOUT is 'soon', expected a number of seconds"):
        connect()


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("53100", NotReadyError, "the disk of Postgres"),
        ("53200", NotReadyError, "lacks resources"),
        ("42501", ConfigurationError, "lacks a privilege"),
        ("55P03", NotReadyError, "another session"),
        ("42P01", NotReadyError, "Run `skuscribe index`"),
    ],
)
def test_an_error_that_an_operator_can_fix_says_what_to_do(
    database: str, code: str, kind: type[Exception], words: str
) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'could not' USING ERRCODE = '{code}'; END $$"
    with pytest.raises(kind, match=words), session() as connection:
        connection.execute(raising)


def test_a_lost_connection_is_not_ready(database: str) -> None:
    with pytest.raises(NotReadyError, match="was lost"), session() as connection:
        with superuser("postgres") as other:
            other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
        connection.execute("SELECT 1")


def test_an_error_in_a_statement_passes_as_a_defect(database: str) -> None:
    with pytest.raises(psycopg.errors.SyntaxError), session() as connection:
        connection.execute("SELEKT 1")


def test_every_statement_file_is_used() -> None:
    sources = "".join(path.read_text() for path in (SQL_FOLDER.parent / "jobs").rglob("*.py"))
    assert [path.stem for path in (SQL_FOLDER / "queries").glob("*.sql") if f'"{path.stem}"' not in sources] == []
