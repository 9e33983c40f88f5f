"""Check every service, model and resource that the jobs need, and say how to fix what fails.

Reads the same environment variables as the jobs; writes objects into S3 and deletes them. Ends with exit code 0 if every check
passes, 78 if a setting is wrong, 75 if something is not available yet.

    skuscribe doctor
"""

from pydantic import Field

from jobs.process.settings import RequireGpu, StoreSettings, unit
from jobs.retrieval.settings import DEFAULT_ENCODER


class Settings(StoreSettings):
    """What to check, and how much is enough."""

    encoder: str = Field(DEFAULT_ENCODER, description="The sentence encoder to load: a name, a folder or a hub id.")
    require_gpu: RequireGpu = False
    minimum_disk: float = Field(
        5.0,
        ge=0,
        description="Minimum free disk space in the folder for temporary files (TMPDIR).",
        json_schema_extra=unit("GB"),
    )
    minimum_memory: float = Field(2.0, ge=0, description="Minimum free memory.", json_schema_extra=unit("GB"))
