"""The address of the database for messages, and the check of the variables that libpq reads it from.

No message shows a value that may hold a secret: a connection URL or string in any PG* variable is refused unseen.
"""

import os
import re
import socket

from psycopg import pq
from psycopg.conninfo import make_conninfo

from jobs.process.accepted import MAX_PORT
from jobs.process.errors import ConfigurationError
from jobs.process.secrets import hide

SECRETS = ("PGPASSWORD", "SKUSCRIBE_READER_PASSWORD")
_URL = re.compile(r"[a-zA-Z][\w+.-]*://")
_CONNECTION_STRING = re.compile(r"\b(host|hostaddr|port|user|password|dbname|service)\s*=", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)[^\s\"']*@")
_PASSWORD = re.compile(r"(\bpassword\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s\"'&]+)", re.IGNORECASE)
_FILES = ("PGSERVICEFILE", "PGSYSCONFDIR")
_PARTS = "PGHOST, PGPORT, PGDATABASE, PGUSER and PGPASSWORD"


def address() -> str:
    """Return HOST:PORT/DATABASE as libpq reads them from the environment and the service file."""
    values = _values()
    host = values.get("hostaddr") or values.get("host") or "localhost"
    return f"{host}:{values.get('port') or '5432'}/{values.get('dbname') or values.get('user') or ''}"


def user() -> str:
    """Return the user that libpq connects as."""
    return _values().get("user") or "(PGUSER is not set)"


def check_variables() -> None:
    """Raise `ConfigurationError` (78) if a PG* variable or the service file has a value that libpq cannot use."""
    known = {option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar}
    for name in sorted(known.union(_FILES).difference(SECRETS)):  # other programs have variables that begin with PG
        _refuse_connection_string(name, os.environ.get(name, ""))
    values = _values()
    for name in ("host", "port", "user", "dbname"):
        _refuse_connection_string(f"{name} in the service file", values.get(name, ""))
    hosts, ports = values.get("host", "").split(","), values.get("port", "").split(",")
    for host in hosts:
        _check_host(host)
    for port in ports:
        _check_port(port)
    if len(ports) not in (1, len(hosts)):
        raise ConfigurationError(
            f"PGPORT has {len(ports)} ports for {len(hosts)} hosts: give one, or one for each host"
        )
    problem = _problem_of_libpq()
    if problem is not None:
        raise ConfigurationError(f"the PG* variables cannot be used: {redacted(problem)}. Correct the variable")


def redacted(text: str) -> str:
    """Return a text without the passwords of the environment, and without those in URLs and connection strings."""
    secrets = [os.environ.get(name, "") for name in SECRETS] + [_values().get("password", "")]
    return _PASSWORD.sub(r"\1***", _USER_INFO.sub("***@", hide(text, secrets)))


def _values() -> dict[str, str]:
    """Return the parameters that the environment and the service file give, by their libpq names."""
    options = {option.keyword.decode(): option.val for option in pq.Conninfo.get_defaults()}
    return {name: value.decode(errors="replace") for name, value in options.items() if value}


def _refuse_connection_string(name: str, value: str) -> None:
    if _URL.search(value) or _CONNECTION_STRING.search(value):
        raise ConfigurationError(
            f"{name} holds a connection URL or string (not shown here, it may contain a password), which libpq does not "
            f"accept there: set {_PARTS} to its parts"
        )


def _check_host(host: str) -> None:
    if host.startswith(("/", "@")):  # a Unix socket
        return
    if "@" in host or any(character.isspace() for character in host.strip()):
        raise ConfigurationError(
            f"PGHOST is not a host name (not shown here): set {_PARTS} to the parts of the address"
        )
    name, colon, port = host.partition(":")
    if colon and ":" not in port:  # an IPv6 address has more than one colon
        raise ConfigurationError(f"PGHOST is {redacted(host)!r}, expected a host name: set PGHOST={name} PGPORT={port}")


def _check_port(port: str) -> None:
    text = port.strip()
    if text and not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PORT):
        shown = redacted(repr(port)) if len(port) <= len("18446744073709551616") else "a longer text"
        raise ConfigurationError(f"PGPORT is {shown}, expected a number from 1 to {MAX_PORT}")


def _problem_of_libpq() -> str | None:
    """Return what libpq objects to in the variables, or None.

    libpq checks them before it connects, and connects to a port that is open, so that only a wrong variable fails.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        connection = pq.PGconn.connect_start(make_conninfo(host="127.0.0.1", hostaddr="127.0.0.1", port=port).encode())
        failed = connection.status == pq.ConnStatus.BAD
        message = connection.get_error_message()
        connection.finish()
    return message if failed else None
