"""The local services of a benchmark."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.local import services


@contextmanager
def running_services() -> Iterator[Path]:
    """Start Postgres and S3 for the block, with their variables in the environment. Yields a folder that is removed at the end."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        services.start(work / "services")
        try:
            os.environ |= services.read_environment(work / "services")
            yield work
        finally:
            services.stop(work / "services")
