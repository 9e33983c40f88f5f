"""List what stands in the store, and fetch it, verified.

Reads artifacts; with --to writes their files into a folder. Try: skuscribe artifacts --path runs/main
"""

from pathlib import Path

from pydantic import Field

from jobs.process.settings import StoreSettings


class Settings(StoreSettings):
    """Which artifacts, and where to."""

    path: str = Field(
        "", description="An artifact, or the beginning of the paths of several: catalogue/main, runs/main."
    )
    to: Path | None = Field(None, description="Fetch the one artifact at --path into this folder, verified.")
