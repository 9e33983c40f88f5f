"""Run Postgres and S3 in the foreground, for other pods: a demo on a cluster without services of your own.

Reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and PGPASSWORD, which become the credentials of the servers; writes a generated
sample to raw/sample.jsonl.gz in the store. The servers listen on loopback; only their two main ports are forwarded. Runs
until SIGTERM.

    skuscribe services --folder /tmp/services
"""

import tempfile
from pathlib import Path

from pydantic import Field

from jobs.process.accepted import MAX_PORT
from jobs.process.settings import Settings as CommonSettings
from jobs.process.settings import unit


class Settings(CommonSettings):
    """Where the servers keep their data, and where they listen."""

    folder: Path = Field(Path(".skuscribe"), description="The folder for the data of both servers.")
    listen: str = Field(
        "127.0.0.1", min_length=1, description="The address to listen on; `*`: every IPv4 and IPv6 address."
    )
    postgres_port: int = Field(5432, ge=1, le=MAX_PORT, description="The port of Postgres.")
    s3_port: int = Field(8333, ge=1, le=MAX_PORT, description="The port of S3.")
    sample_rows: int = Field(
        720,
        ge=0,
        description="Number of rows of the generated sample; 0 for no sample.",
        json_schema_extra=unit("rows"),
    )
    ready_file: Path = Field(
        default_factory=lambda: Path(tempfile.gettempdir()) / "ready",
        description="A file that exists while both servers are ready, for a readiness probe. "
        "Default: `ready` in the folder for temporary files (TMPDIR).",
    )
