"""Clean raw product rows into a catalogue: shards, a held-out set, rejected rows and statistics.

Reads JSON Lines, a JSON array, CSV or Parquet with uid, title and content, compressed (gzip, bzip2, xz, Zstandard, zip of one
file) or not, from a path, http(s):// or s3://. The fields `description`, `asin` and `parent_asin` of the public Amazon dumps are
recognized as content and uid.
Writes catalogue/NAME: shard-00000.parquet ..., held-out.parquet, rejects.parquet, statistics.json.
Sentences that recur in many contents and follow from no title, such as guarantees, are removed (--boilerplate-from).
The same rows and settings give the same bytes with any number of processes.

    skuscribe prepare --input trn.json.gz --catalogue main
"""

import re
from typing import Literal

from pydantic import Field, field_validator

from jobs.process import threads
from jobs.process.settings import Name, StoreSettings, unit


class Settings(StoreSettings):
    """Settings of `prepare`."""

    input: str = Field(min_length=1, description="Raw rows: a path, http(s)://HOST/... or s3://BUCKET/KEY.")
    catalogue: Name = Field("main", description="Name of the catalogue.")
    title_field: str = Field("", description="Field or column of the title. Default: `title`.")
    content_field: str = Field(
        "",
        description="Field or column of the content, a text or a list of texts. Default: `content`, or else `description`.",
    )
    uid_field: str = Field(
        "", description="Field or column of the uid. Default: `uid`, or else `asin` or `parent_asin`."
    )
    max_unreadable: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Fraction of rows that may be unreadable (broken JSON or CSV, not UTF-8, too long, a uid that is not text). If more are, the "
        "job fails with exit code 65.",
    )
    profile: Literal["catalogue", "reference"] = Field(
        "catalogue",
        description="Characters that cleaning keeps: `reference` keeps letters, digits and `. , ! ?`; `catalogue` also "
        "keeps signs that are part of a fact, as in 10-inch or 50%.",
    )
    min_content_characters: int = Field(
        10, ge=1, description="Reject rows with shorter content.", json_schema_extra=unit("characters")
    )
    max_content_characters: int = Field(
        10_000, ge=100, le=100_000, description="Truncate longer content.", json_schema_extra=unit("characters")
    )
    boilerplate_from: int = Field(
        20,
        ge=0,
        description="Remove a sentence that occurs in the contents of at least this many clusters and follows from no title, "
        "such as a guarantee or a slogan. 0: keep all sentences.",
        json_schema_extra=unit("clusters"),
    )
    max_row_bytes: int = Field(
        1 << 20, ge=1000, le=1 << 24, description="Reject raw rows that are longer.", json_schema_extra=unit("bytes")
    )
    similarity: float = Field(
        0.8,
        ge=0.5,
        le=1,
        description="Jaccard similarity from which two products share a cluster, of the word pairs of their texts.",
    )
    shard_rows: int = Field(20_000, ge=10, le=200_000, description="Rows per shard.", json_schema_extra=unit("rows"))
    expected_shards: int | None = Field(
        None,
        ge=1,
        description="Fail if the catalogue has another number of shards. Default: any number.",
        json_schema_extra=unit("shards"),
    )
    held_out_rows: int = Field(
        2000, ge=0, description="Rows of the held-out set, at most 5 % of all rows.", json_schema_extra=unit("rows")
    )
    tokenizer: str = Field(
        "", description="Folder with tokenizer.json, for statistics of lengths in tokens. Empty: no such statistics."
    )
    seed: int = Field(13, ge=0, description="Seed of the order of the rows and of the choice of held-out rows.")
    processes: int = Field(
        default_factory=lambda: min(2, threads.cpus()),
        ge=1,
        le=64,
        description="Cleaning processes, about 90 MB each. Default: 2, or 1 on one core.",
    )

    @field_validator("input")
    @classmethod
    def _has_a_known_scheme(cls, value: str) -> str:
        if "://" in value and not re.match(r"(?:s3|https?)://[^/@]+/.", value):
            raise ValueError("expected a path, http(s)://HOST/... (without a password) or s3://BUCKET/KEY")
        return value
