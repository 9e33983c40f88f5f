"""List the artifacts in the store, or download one, verified.

Reads artifacts; with --to, writes the files of one into a folder.

    skuscribe artifacts --path runs/main
"""

from pathlib import Path

from pydantic import Field

from jobs.process.settings import StoreSettings


class Settings(StoreSettings):
    """Which artifacts to list, or which one to download."""

    path: str = Field(
        "",
        description="An artifact, or the beginning of the paths of several: catalogue/main, runs/main, also with the address of the store in "
        "front, as it is listed. Empty: all.",
    )
    to: Path | None = Field(None, description="Download the artifact at --path into this folder, and verify it.")
