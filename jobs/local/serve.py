"""Postgres and S3 for a first try on a cluster: the embedded services of the local run, for other pods to reach.

Reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and PGPASSWORD, which become the services' own; puts a generated sample into
the store as raw/sample.jsonl.gz. The servers stay on loopback; the two ports are handed on, so nothing else of them can be
reached. Runs until SIGTERM. Try: skuscribe services --folder /tmp/services
"""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from jobs.local import services
from jobs.local.serve_settings import Settings
from jobs.local.server import HOST
from jobs.process import lifecycle, log
from jobs.process.errors import ConfigurationError, NotReadyError

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD")
SAMPLE_KEY = "raw/sample.jsonl.gz"
CHUNK_BYTES = 1 << 18
LOOK_EVERY_SECONDS = 0.5


def run(settings: Settings) -> None:
    """Serve until a signal comes. Errors: 78 without credentials, 75 when a server does not come up, or ends."""
    missing = [name for name in CREDENTIALS if not os.environ.get(name)]
    if missing:
        raise ConfigurationError(f"{', '.join(missing)} not set: the services take their credentials from there")
    settings.ready_file.unlink(missing_ok=True)
    try:
        own = services.start(settings.folder.resolve(), {name: os.environ[name] for name in CREDENTIALS})
        services.adopt(own)
        _put_sample(own, settings.sample_rows)
        asyncio.run(_serve(settings, own))
    finally:
        settings.ready_file.unlink(missing_ok=True)
        services.stop(settings.folder.resolve())


def _put_sample(own: Mapping[str, str], rows: int) -> None:
    """Write the sample into the store, unless it is there."""
    from jobs.sample import write_sample
    from jobs.storage.store import Store

    if rows == 0:
        return
    store = Store(own["SKUSCRIBE_STORE"])
    if store.read(SAMPLE_KEY) is not None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.jsonl.gz"
        write_sample(path, rows=rows, seed=13)
        store.upload(SAMPLE_KEY, path)
    log.info("sample written", rows=rows, address=store.at(SAMPLE_KEY))


async def _serve(settings: Settings, own: Mapping[str, str]) -> None:
    ports = {
        settings.postgres_port: int(own["PGPORT"]),
        settings.s3_port: services.s3_port(own),
    }
    folder = settings.folder.resolve()
    with lifecycle.deferred() as stop:  # an exception that a signal raises may hit any task, and end that one alone
        relays = [await _relay(settings.listen, outer, inner) for outer, inner in ports.items()]
        settings.ready_file.touch()
        log.info("services ready", listen=settings.listen, postgres=settings.postgres_port, s3=settings.s3_port)
        while not stop.requested and len(services.running(folder)) == 2:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        for relay in relays:
            relay.close()
    running = ", ".join(services.running(folder)) or "none"
    raise NotReadyError(f"a server ended (still running: {running}); the logs are in {folder}")


async def _relay(listen: str, outer: int, inner: int) -> asyncio.Server:
    """Hand every connection to `outer` on to the server on loopback."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there_reader, there_writer = await asyncio.open_connection(HOST, inner)
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        writer.close()

    return await asyncio.start_server(connected, listen, outer, limit=CHUNK_BYTES)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the sender ends; the other direction goes on."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
            return
    writer.close()
