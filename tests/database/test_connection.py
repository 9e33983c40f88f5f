"""Connections to Postgres, and what each of their errors says."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from jobs.database.address import address, redacted
from jobs.database.connection import SQL_FOLDER, connect, session
from jobs.database.migrations import migrate
from jobs.process.errors import ConfigurationError, JobError, NotReadyError
from tests.database.roles import superuser


def test_a_read_only_session_cannot_write(database: str) -> None:
    with connect() as connection:
        migrate(connection)
    with pytest.raises(ConfigurationError, match="is read-only"), session(read_only=True) as connection:
        connection.execute("DELETE FROM skuscribe.failure")


def test_psycopg_logs_nothing_about_a_pipeline_that_an_error_ends(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with connect() as connection, pytest.raises(ZeroDivisionError), connection.pipeline():
        # Is sent, and fails at the end of the block.
        psycopg.Connection.execute(connection, "SELECT 1 FROM no_such_table")
        raise ZeroDivisionError
    assert caplog.records == []


def test_a_server_that_does_not_answer_is_not_ready(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as listener:  # bound, not listening: the port is taken and refuses connections
        listener.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PGPORT", str(listener.getsockname()[1]))
        with pytest.raises(NotReadyError, match=r"cannot be reached at 127\.0\.0\.1:"):
            connect()


def test_a_host_without_an_address_is_named(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "postgres.invalid")
    with pytest.raises(
        NotReadyError, match=r"cannot be reached at postgres\.invalid:\d+/\w+: failed to resolve this host: "
    ):
        connect()


SECRET = "hunter2"
URL = f"postgresql://someone:{SECRET}@db.example:5432/shop"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PGPASSWORD": SECRET}, "refuses the connection.*Check PGHOST"),
        ({"PGPASSWORD": URL}, "refuses the connection.*Check PGHOST"),
        ({"PGPASSWORD": ""}, "no password supplied. Set PGPASSWORD"),
        ({"PGDATABASE": "nowhere"}, "refuses the connection"),
        ({"PGUSER": "nobody"}, "refuses the connection"),
        ({"PGSSLMODE": "require"}, "does not support SSL.*Check PGSSLMODE"),
        ({"PGSSLMODE": "verify-full"}, "does not support SSL.*Check PGSSLMODE"),
        ({"PGSSLMODE": "always"}, 'invalid sslmode value: "always"'),
        ({"PGTARGETSESSIONATTRS": "fast"}, 'invalid target_session_attrs value: "fast"'),
        ({"PGREQUIREAUTH": "md5"}, "refuses the connection.*PGREQUIREAUTH"),
        ({"PGCHANNELBINDING": "require"}, "channel binding required"),
        ({"PGPORT": "many"}, "PGPORT is 'many', expected a number from 1 to 65535"),
        ({"PGPORT": "65536"}, "PGPORT is '65536'"),
        ({"PGPORT": "0"}, "PGPORT is '0'"),
        ({"PGPORT": "-1"}, "PGPORT is '-1'"),
        ({"PGPORT": "5432,5433"}, "2 ports for 1 hosts"),
        ({"PGHOST": "db.example:5433"}, "set PGHOST=db.example PGPORT=5433"),
        ({"PGHOST": f"someone:{SECRET}@db.example"}, "PGHOST is not a host name"),
        ({"PGHOST": URL}, "PGHOST holds a connection URL"),
        ({"PGDATABASE": URL}, "PGDATABASE holds a connection URL"),
        ({"PGDATABASE": f"host=db.example password={SECRET}"}, "PGDATABASE holds a connection URL or string"),
        ({"PGUSER": URL}, "PGUSER holds a connection URL"),
        ({"PGPORT": URL}, "PGPORT holds a connection URL"),
        ({"PGSERVICE": URL}, "PGSERVICE holds a connection URL"),
        ({"PGSERVICEFILE": URL, "PGSERVICE": "shop"}, "PGSERVICEFILE holds a connection URL"),
        ({"PGSSLROOTCERT": URL}, "PGSSLROOTCERT holds a connection URL"),
        ({"PGSERVICE": "shop", "PGSERVICEFILE": "/nowhere"}, 'service file "/nowhere" not found'),
        ({"PGOPTIONS": "-c no_such_setting=1"}, "unrecognized configuration parameter.*Check PGOPTIONS"),
        ({"PGOPTIONS": "-c work_mem=much"}, "invalid value.*Check PGOPTIONS"),
        ({"PGOPTIONS": "--work_mem"}, "requires a value.*Check PGOPTIONS"),
        ({"PGOPTIONS": f"-c work_mem={URL}"}, "PGOPTIONS holds a connection URL"),
    ],
)
def test_a_wrong_variable_is_a_wrong_setting_and_no_secret_is_shown(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=words) as caught:
        connect()
    assert environment["PGPASSWORD"] not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_variables_of_other_programs_are_not_checked(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes sets the first for a Service named pgbouncer."""
    monkeypatch.setenv("PGBOUNCER_PORT", "tcp://10.0.0.1:6432")
    monkeypatch.setenv("PGRST_DB_URI", URL)
    with connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_service_is_used_and_its_password_not_shown(
    environment: dict[str, str], database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "services"
    parts = (
        f"host={environment['PGHOST']}\nport={environment['PGPORT']}\ndbname={database}\nuser={environment['PGUSER']}"
    )
    with monkeypatch.context() as context:
        for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"):
            context.delenv(name)
        context.setenv("PGSERVICEFILE", str(file))
        context.setenv("PGSERVICE", "shop")
        file.write_text(f"[shop]\n{parts}\npassword={environment['PGPASSWORD']}\n")
        with connect() as connection:
            assert connection.info.dbname == database
        assert address() == f"{environment['PGHOST']}:{environment['PGPORT']}/{database}"
        file.write_text(f"[shop]\n{parts}\npassword={SECRET}\n")
        with pytest.raises(ConfigurationError, match="refuses the connection") as caught:
            connect()
        assert SECRET not in str(caught.value)
        file.write_text(f"[shop]\n{parts.replace(database, URL)}\n")
        with pytest.raises(ConfigurationError, match="dbname in the service file holds a connection URL") as caught:
            connect()
        assert SECRET not in str(caught.value)


def test_passwords_in_texts_of_others_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", SECRET)
    assert redacted(f"{URL} user=a password='{SECRET} 1' {SECRET}") == (
        "postgresql://***@db.example:5432/shop user=a password=*** ***"
    )


def test_a_short_password_does_not_garble_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "on")
    assert redacted("connection refused, password 'on', on") == "connection refused, password '***', ***"


def test_the_encoding_of_the_client_is_utf8_whatever_the_environment_says(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with session() as connection:
        assert connection.execute("SELECT %s", ["Жук 電"]).fetchone() == ("Жук 電",)


@contextmanager
def server_that(answers: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run a server that reads the first message of each client, answers, and closes the connection. Yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client, suppress(OSError):
                        client.recv(1024)
                        answers(client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


TLS_ALERT = bytes([21, 3, 3, 0, 2, 2, 40])  # handshake failure


def error_message(code: str, text: str) -> bytes:
    body = f"SFATAL\0C{code}\0M{text}\0\0".encode()
    return b"E" + struct.pack("!i", len(body) + 4) + body


@pytest.mark.parametrize(
    ("sslmode", "answer", "kind"),
    [
        ("disable", b"", NotReadyError),
        ("disable", error_message("57P03", "die Datenbank startet"), NotReadyError),
        ("disable", error_message("53300", "trop de connexions"), NotReadyError),
        ("disable", error_message("28P01", "Passwort-Authentifizierung fehlgeschlagen"), ConfigurationError),
        ("disable", error_message("3D000", "la base de données n'existe pas"), ConfigurationError),
        ("disable", error_message("08P01", "no such database: shop"), ConfigurationError),
        ("disable", error_message("08P01", "server login has been failing"), NotReadyError),
        ("disable", b"HTTP/1.1 400 Bad Request\r\n\r\n", ConfigurationError),
        ("require", b"N", ConfigurationError),
        ("require", b"S" + TLS_ALERT, ConfigurationError),
        ("require", b"S", NotReadyError),
    ],
)
def test_an_answer_to_the_login_is_told_from_a_server_that_is_not_available_in_any_language(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, sslmode: str, answer: bytes, kind: type[JobError]
) -> None:
    monkeypatch.setenv("PGSSLMODE", sslmode)

    def send(client: socket.socket) -> None:
        client.sendall(answer[:1])
        if answer[:1] == b"S":
            client.recv(4096)  # the beginning of TLS
        client.sendall(answer[1:])

    with server_that(send) as port:
        monkeypatch.setenv("PGPORT", str(port))
        with pytest.raises(kind):
            connect()


def test_timeouts_of_the_database_are_lifted(database: str) -> None:
    names = [
        "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout",
        "transaction_timeout",
    ]  # fmt: skip
    with superuser("postgres") as owner:
        for name in names:
            owner.execute(f"ALTER DATABASE {database} SET {name} = '30s'")
        owner.execute(f"ALTER DATABASE {database} SET default_transaction_isolation = 'serializable'")
    with psycopg.connect() as other:
        assert other.execute("SHOW statement_timeout").fetchone() == ("30s",)
    with session() as connection:
        assert {name: connection.execute(f"SHOW {name}").fetchone() for name in names} == dict.fromkeys(names, ("0",))
        assert connection.execute("SHOW transaction_isolation").fetchone() == ("read committed",)


def test_both_ends_of_a_connection_give_up_a_host_that_acknowledges_nothing_for_a_minute(database: str) -> None:
    with session() as connection, socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as client:
        assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
        assert connection.execute("SELECT setting FROM pg_settings WHERE name = 'tcp_user_timeout'").fetchone() == (
            "60000",
        )


@pytest.mark.parametrize("text", ["soon", "²"])
def test_a_timeout_that_is_not_a_number_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PGCONNECT_TIMEOUT", text)
    with pytest.raises(ConfigurationError, match=f"PGCONNECT_TIMEOUT is '{text}', expected a number of seconds"):
        connect()


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("53100", NotReadyError, "the disk of Postgres"),
        ("53200", NotReadyError, "lacks resources"),
        ("42501", ConfigurationError, "lacks a privilege"),
        ("55P03", NotReadyError, "another session"),
        ("40001", NotReadyError, "another session"),
        ("57014", NotReadyError, "was cancelled"),
        ("58030", NotReadyError, "the disk of Postgres"),
        ("54000", ConfigurationError, "a limit of Postgres"),
        ("XX001", NotReadyError, "internal error"),
        ("42P01", NotReadyError, "Run `skuscribe index`"),
        ("42703", NotReadyError, "Run `skuscribe index`"),
        ("42883", NotReadyError, "Run `skuscribe index`"),
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
