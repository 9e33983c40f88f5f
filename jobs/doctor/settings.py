"""Reach every service with the credentials given, and say for each what works, what does not and what to do.

Reads the environment, as every job does; writes one object into S3 and removes it. Exit code 0 when all that is needed
works, 75 when something is not there, 78 when a setting is wrong. Try: skuscribe doctor
"""

from pydantic import Field

from jobs.process.settings import RequireGpu, StoreUrl, unit
from jobs.process.settings import Settings as CommonSettings


class Settings(CommonSettings):
    """What to look at."""

    store: StoreUrl = Field("s3://skuscribe", description="Where artifacts live: s3://BUCKET or s3://BUCKET/PREFIX.")
    encoder: str = Field("all-MiniLM-L6-v2", description="The sentence encoder to try: a name, a folder or a hub id.")
    require_gpu: RequireGpu = False
    minimum_disk: float = Field(5.0, ge=0, description="Free disk that TMPDIR must have.", json_schema_extra=unit("GB"))
    minimum_memory: float = Field(2.0, ge=0, description="Free memory there must be.", json_schema_extra=unit("GB"))
