"""Postgres and S3 for a first try on a cluster: the embedded services of the local run, for other pods to reach.

Reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and PGPASSWORD, which become the services' own; puts a generated sample into
the store as raw/sample.jsonl.gz. The servers stay on loopback; the two ports are handed on, so nothing else of them can be
reached. Runs until SIGTERM. Try: skuscribe services --folder /tmp/services
"""

import tempfile
from pathlib import Path

from pydantic import Field

from jobs.process.settings import Settings as CommonSettings
from jobs.process.settings import unit


class Settings(CommonSettings):
    """Where the data lies, and where to listen."""

    folder: Path = Field(Path(".skuscribe"), description="Where both keep their data.")
    listen: str = Field("127.0.0.1", min_length=1, description="The address to listen on: 0.0.0.0 for other pods.")
    postgres_port: int = Field(5432, ge=1, le=65535, description="The port of Postgres.")
    s3_port: int = Field(8333, ge=1, le=65535, description="The port of S3.")
    sample_rows: int = Field(720, ge=0, description="Rows of the sample; 0 for none.", json_schema_extra=unit("rows"))
    ready_file: Path = Field(
        default_factory=lambda: Path(tempfile.gettempdir()) / "ready", description="Made when all is up."
    )
