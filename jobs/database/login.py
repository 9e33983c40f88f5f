"""Why Postgres could not be connected to: a wrong setting, or a server that is not available.

libpq keeps the SQLSTATE of a refused connection to itself, and the server may translate its message. So a failed connection
is tried once more with libpq's trace of the protocol, which names the code of the server's answer.
"""

import os
import re
import select
import tempfile
import time
from dataclasses import dataclass

import psycopg
from psycopg import errors, pq
from psycopg.conninfo import make_conninfo

from jobs.database.address import address
from jobs.database.errors import UnreachableError, one_line
from jobs.process.errors import ConfigurationError, JobError

_ERROR_CODE = re.compile(r'^B\t\d+\tErrorResponse\t.*? C "(\w{5})"', re.MULTILINE)
_ANSWER = re.compile(r"^B\t", re.MULTILINE)
# Classes of SQLSTATE, appendix A of the Postgres manual: authorization, no such database, and invalid PGOPTIONS.
_WRONG_SETTING = ("28", "3D", "42", "22", "55P02", "0A")
_PROTOCOL_VIOLATION = "08P01"
# Connection poolers give the code above to all their errors, with untranslated messages. These are of a wrong setting.
_POOLER_REFUSALS = ("startup parameter", "does not exist", "no such", "authentication", "not allowed")
# Messages of libpq and OpenSSL about a connection that was closed: neither translates them.
_BROKEN_OFF = (
    "server closed the connection", "SYSCALL error", "unexpected eof", "could not receive data", "could not send data",
)  # fmt: skip


@dataclass(frozen=True)
class Attempt:
    """An attempt to connect: the messages that were exchanged, and why it failed, None if it succeeded or did not end."""

    trace: str
    message: str | None
    needs_password: bool = False

    @property
    def sqlstate(self) -> str | None:
        """The code of the last error of the server."""
        codes: list[str] = _ERROR_CODE.findall(self.trace)
        return codes[-1] if codes else None

    @property
    def is_refused_by_libpq(self) -> bool:
        """Whether libpq refuses what the server offers: no TLS, a certificate, an authentication method."""
        if self.message is None or self.sqlstate is not None:
            return False
        answered = bool(_ANSWER.search(self.trace)) and "ReadyForQuery" not in self.trace
        return self.needs_password or (answered and not any(words in self.message for words in _BROKEN_OFF))


def error_of(failure: psycopg.Error, timeout_seconds: float) -> JobError:
    """Return the job error for a failed connection: 78 if a setting is wrong, else 75."""
    line = one_line(failure).removeprefix("connection failed: ")
    line = line.replace("resolve host None", "resolve this host")  # psycopg does not read PGHOST, `address` does
    if not isinstance(failure, errors.ConnectionTimeout) and failure.pgconn is not None:
        attempt = try_again(timeout_seconds)
        if _is_wrong_setting(attempt, line):
            return ConfigurationError(f"Postgres at {address()} refuses the connection: {line}. {_remedy(attempt)}")
    return UnreachableError(
        f"Postgres cannot be reached at {address()}: {line}. Check that it is running, and PGHOST and PGPORT"
    )


def try_again(timeout_seconds: float) -> Attempt:
    """Connect with the settings of the environment and return what was exchanged."""
    connection = pq.PGconn.connect_start(make_conninfo(client_encoding="UTF8").encode())
    with tempfile.TemporaryFile() as file:
        try:
            connection.trace(os.dup(file.fileno()))
        except psycopg.NotSupportedError:  # libpq traces on Linux only
            return Attempt("", None)
        ended = _finish(connection, timeout_seconds)
        failed = ended and connection.status != pq.ConnStatus.OK
        message, needs_password = connection.get_error_message(), failed and bool(connection.needs_password)
        connection.untrace()
        connection.finish()
        file.seek(0)
        return Attempt(_without_time(file.read()), message if failed else None, needs_password)


def _is_wrong_setting(attempt: Attempt, line: str) -> bool:
    """Return whether a setting is the cause. `line`: the message of the connection that failed before the attempt."""
    if attempt.sqlstate in (None, _PROTOCOL_VIOLATION) and any(words in line for words in _POOLER_REFUSALS):
        return True  # a pool that has just failed to log in delays its next answer: there may be no code
    if attempt.sqlstate is None or attempt.sqlstate == _PROTOCOL_VIOLATION:
        return attempt.is_refused_by_libpq
    return attempt.sqlstate.startswith(_WRONG_SETTING)


def _finish(connection: pq.abc.PGconn, timeout_seconds: float) -> bool:
    """Wait until the connection is made or has failed. Returns False if the time is over."""
    deadline = time.monotonic() + timeout_seconds
    while connection.status != pq.ConnStatus.BAD:
        status = connection.connect_poll()
        if status in (pq.PollingStatus.OK, pq.PollingStatus.FAILED):
            return True
        sockets, none = [connection.socket], list[int]()
        reading = status == pq.PollingStatus.READING
        left = deadline - time.monotonic()
        if left <= 0 or not any(select.select(sockets if reading else none, none if reading else sockets, none, left)):
            return False
    return True


def _without_time(trace: bytes) -> str:
    """Return the trace without the time at the beginning of each line."""
    lines = trace.decode(errors="replace").splitlines()
    return "\n".join(re.sub(r"^[^\t]*\t(?=[FB]\t)", "", line) for line in lines)


def _remedy(attempt: Attempt) -> str:
    if attempt.needs_password:
        return "Set PGPASSWORD"
    if attempt.is_refused_by_libpq:
        return "Check PGSSLMODE, the certificates that PGSSLROOTCERT and PGSSLCERT name, and PGREQUIREAUTH"
    if os.environ.get("PGOPTIONS") and not (attempt.sqlstate or "").startswith(("28", "3D")):
        return "Check PGOPTIONS: a connection pool may refuse it altogether"
    return "Check PGHOST, PGPORT, PGDATABASE, PGUSER and PGPASSWORD"
