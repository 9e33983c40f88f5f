"""The errors of statements, as job errors: by SQLSTATE (appendix A of the Postgres manual), not by their messages."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from jobs.database.address import address, redacted, user
from jobs.process import lifecycle
from jobs.process.errors import ConfigurationError, JobError, NotReadyError


class ConnectionLostError(NotReadyError):
    """The connection to Postgres was lost. `repeated()` does the same work again with a new one."""


class UnreachableError(ConnectionLostError):
    """Postgres cannot be connected to, and no setting is wrong."""


_LOST = "the connection to Postgres at {where} was lost: {line}. Run again when it is back"

# The beginning of a SQLSTATE: the error, and what is said around the message of Postgres. The first that fits is taken.
_ERRORS: tuple[tuple[tuple[str, ...], type[JobError], str], ...] = (
    (("53100", "58030"), NotReadyError, "the disk of Postgres at {where} is full or fails: {line}. Free or add space and run again"),
    (("53",), NotReadyError, "Postgres at {where} lacks resources: {line}. Run again later, or add resources"),
    (("54",), ConfigurationError, "a limit of Postgres at {where} is exceeded: {line}. Choose smaller vectors or texts"),
    (("42501",), ConfigurationError, "the user {user} lacks a privilege at {where}: {line}. Connect as the owner"),
    (("25006",), ConfigurationError, "Postgres at {where} is read-only: {line}. Connect to the primary server"),
    (("42P01", "3F000", "P0002"), NotReadyError, "{where} has no such table or index yet: {line}. Run `skuscribe index`"),
    (("42703", "42883"), NotReadyError, "the tables at {where} are of another version: {line}. Run `skuscribe index`"),
    (("55P03", "40"), NotReadyError, "another session of Postgres at {where} holds a lock: {line}. Run again"),
    (("57014",), NotReadyError, "a statement was cancelled by a person or a timeout of Postgres at {where}: {line}. Run again"),
    (("22P05", "22021"), ConfigurationError, "{where} cannot store a character: {line}. Use a database with the encoding UTF8"),
    (("08", "57P01", "57P02", "57P03"), ConnectionLostError, _LOST),
    (("57", "58", "25P"), NotReadyError, _LOST),
    (("XX",), NotReadyError, "Postgres at {where} reports an internal error: {line}. See its log, and run again"),
)  # fmt: skip


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the errors that an operator can fix into job errors. Any other error is a defect and passes.

    A signal during a statement ends in an error of the connection: `Interrupted` is raised instead.
    """
    try:
        yield
    except psycopg.Error as error:
        interrupted = lifecycle.interruption(error)
        if interrupted is not None:
            raise interrupted from None
        translated = statement_error(error)
        if translated is None:
            raise
        raise translated from error


def statement_error(error: psycopg.Error) -> JobError | None:
    """Return the job error for an error that an operator can fix, or None."""
    where, line = address(), one_line(error)
    if error.sqlstate is None:
        # Without a code, the error is not the server's answer: the connection is lost, or its data makes no sense.
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError)
        if not lost and type(error) is not psycopg.DatabaseError:
            return None
        return ConnectionLostError(_LOST.format(where=where, line=line))
    for codes, kind, message in _ERRORS:
        if error.sqlstate.startswith(codes):
            return kind(message.format(where=where, line=line, user=user()))
    return None


def one_line(error: psycopg.Error) -> str:
    """Return the message of an error in one line, without passwords."""
    text = redacted(error.diag.message_primary or str(error))
    return " ".join(text.split("Is the server running")[0].split()).rstrip(".")
