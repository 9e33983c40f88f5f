"""Run Postgres and S3 in the foreground, for other pods, until a signal is received.

Reads the credentials from the environment; writes the generated sample into the store. The servers listen on loopback. Only
two ports are forwarded to them, so that their other listeners cannot be reached.
"""

import asyncio
import contextlib
import os
import socket
from asyncio.trsock import TransportSocket
from collections.abc import Mapping
from pathlib import Path

from jobs.local import services
from jobs.local.serve_settings import Settings
from jobs.local.server import HOST
from jobs.process import folders, keepalive, lifecycle, log
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.sample.rows import write_sample
from jobs.storage.store import Store

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD")
SAMPLE_KEY, SAMPLE_SEED = "raw/sample.jsonl.gz", 13
CHUNK_BYTES = 1 << 18
CHECK_EVERY_SECONDS = 0.5
KEEPALIVE = {
    socket.TCP_KEEPIDLE: keepalive.IDLE_SECONDS,
    socket.TCP_KEEPINTVL: keepalive.INTERVAL_SECONDS,
    socket.TCP_KEEPCNT: keepalive.COUNT,
    socket.TCP_USER_TIMEOUT: keepalive.USER_TIMEOUT_MILLISECONDS,
}


def run(settings: Settings) -> None:
    """Serve until a signal is received.

    Errors: `ConfigurationError` (78) if a credential is missing, `NotReadyError` (75) if a server does not start or ends.
    """
    missing = [name for name in CREDENTIALS if not os.environ.get(name)]
    if missing:
        raise ConfigurationError(
            f"{', '.join(missing)} not set: the services need these environment variables as their credentials"
        )
    folder = settings.folder.resolve()
    settings.ready_file.unlink(missing_ok=True)
    try:
        variables = services.start(folder, {name: os.environ[name] for name in CREDENTIALS})
        services.adopt(variables)
        _write_sample(Store(variables["SKUSCRIBE_STORE"]), settings.sample_rows)
        forwarded = {settings.postgres_port: int(variables["PGPORT"]), settings.s3_port: services.s3_port(variables)}
        asyncio.run(_serve(folder, settings.listen, forwarded, settings.ready_file))
    finally:
        settings.ready_file.unlink(missing_ok=True)
        services.stop(folder)


def _write_sample(store: Store, rows: int) -> None:
    """Write the sample into the store, unless it exists or has no rows."""
    if rows == 0 or store.read(SAMPLE_KEY) is not None:
        return
    with folders.temporary_folder() as work:
        path = work / "sample.jsonl.gz"
        write_sample(path, rows=rows, seed=SAMPLE_SEED)
        store.upload(SAMPLE_KEY, path)
    log.info("sample written", rows=rows, address=store.at(SAMPLE_KEY))


async def _serve(folder: Path, listen: str, forwarded: Mapping[int, int], ready_file: Path) -> None:
    """Forward each port to its port on loopback, while both servers run and no signal is received."""
    # An exception raised by a signal would end only the task that runs at that moment.
    with lifecycle.deferred() as stop:
        listeners = [await _forward(listen, outer, inner) for outer, inner in forwarded.items()]
        ready_file.touch()
        log.info("services ready", listen=listen, ports=" ".join(str(port) for port in forwarded))
        while not stop.requested and len(services.running(folder)) == len(forwarded):
            await asyncio.sleep(CHECK_EVERY_SECONDS)
        for listener in listeners:
            listener.close()
    running = ", ".join(services.running(folder)) or "none"
    raise NotReadyError(f"a server ended (still running: {running}): the logs in {folder} say why")


async def _forward(listen: str, outer: int, inner: int) -> asyncio.Server:
    """Listen on a port and forward each connection to a port on loopback."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            _give_up_lost_hosts(writer.get_extra_info("socket"))
            server_reader, server_writer = await asyncio.open_connection(HOST, inner)
            await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))
        writer.close()

    return await asyncio.start_server(connected, listen, outer, limit=CHUNK_BYTES)


def _give_up_lost_hosts(connection: TransportSocket) -> None:
    """Close a connection to a host that is lost within about a minute: a server behind it sees only this machine."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the sender closes its side. The other direction stays open."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
            return
    writer.close()
