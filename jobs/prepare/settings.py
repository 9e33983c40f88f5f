"""Raw product rows to a catalogue: cleaned shards, a held-out set, rejects and statistics.

Reads JSON Lines or a JSON array of {uid, title, content}, gzipped or not, from a path, http(s):// or s3://.
Writes catalogue/NAME: shard-00000.parquet ..., held-out.parquet, rejects.parquet, statistics.json.
The same rows and settings give the same bytes, on any number of cores.

    skuscribe prepare --input trn.json.gz --catalogue main
"""

import os
import re
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from jobs.process.settings import Name, StoreSettings, unit

if TYPE_CHECKING:
    pass


class Settings(StoreSettings):
    """What to read, what to leave out, and how to deal out the rest."""

    input: str = Field(min_length=1, description="Raw rows: a path, http(s)://HOST/... or s3://BUCKET/KEY.")
    catalogue: Name = Field("main", description="Name of the catalogue to make.")
    profile: Literal["catalogue", "reference"] = Field(
        "catalogue",
        description="What to keep besides letters, digits and . , ! ?: signs that carry a fact, or nothing.",
    )
    min_content_characters: int = Field(
        10, ge=1, description="A shorter content is left out.", json_schema_extra=unit("characters")
    )
    max_content_characters: int = Field(
        10_000, ge=100, le=100_000, description="A longer content is cut.", json_schema_extra=unit("characters")
    )
    max_row_bytes: int = Field(
        1 << 20, ge=1000, le=1 << 24, description="A longer raw row is left out.", json_schema_extra=unit("bytes")
    )
    similarity: float = Field(
        0.8, ge=0.5, le=1, description="Products whose texts are at least this similar share a cluster (0 to 1)."
    )
    shard_rows: int = Field(20_000, ge=10, le=200_000, description="Rows of a shard.", json_schema_extra=unit("rows"))
    expected_shards: int | None = Field(
        None,
        ge=1,
        description="How many shards the jobs after this one count on: another number is a wrong setting.",
        json_schema_extra=unit("shards"),
    )
    held_out_rows: int = Field(
        2000, ge=0, description="Rows of the held-out set, at most 5 % of all.", json_schema_extra=unit("rows")
    )
    tokenizer: str = Field("", description="Folder with tokenizer.json, to state lengths in tokens too.")
    seed: int = Field(13, ge=0, description="Decides the order of the rows and who is held out.")
    processes: int = Field(
        default_factory=lambda: min(2, os.cpu_count() or 1),
        ge=1,
        le=64,
        description="Processes that clean, about 90 MB each. Default: 2, or 1 on one core.",
    )

    @field_validator("input")
    @classmethod
    def _has_a_known_scheme(cls, value: str) -> str:
        if "://" in value and not re.match(r"(?:s3|https?)://[^/@]+/.", value):
            raise ValueError("takes a path, http(s)://HOST/... (without a password in it) or s3://BUCKET/KEY")
        return value
