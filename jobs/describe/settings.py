"""Write descriptions for titles, with the products nearest to them in sight, and check each one.

Reads titles (a file, or a split of the catalogue), the last model of a run, the index in Postgres; writes the table
skuscribe.description and exports/BATCH: JSON Lines, CSV, Parquet, part by part. A description that fails a check is written
again more strictly, then flagged with the reason; a title that cannot be described is a row with its error.
Try: skuscribe describe --query "Stainless steel water bottle 750 ml"
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from jobs.process.settings import Name, unit
from jobs.t5.settings import GenerationSettings


class Settings(GenerationSettings):
    """What `describe` can be told."""

    catalogue: Name = Field("main", description="The catalogue whose products are the neighbours.")
    run: Name = Field("main", description="The run whose model writes.")
    shard: int | None = Field(None, ge=0, description="The model after this shard, from 0. Without it: the last one.")
    batch: Name = Field("main", description="The name of the descriptions, in the exports and in the table.")
    titles: str = Field(
        "", description="A .txt, .jsonl or .csv file of titles; a path, https:// or s3://. Empty: --split."
    )
    split: Literal["held-out", "train", "test", "all"] = Field(
        "held-out", description="The products of the catalogue to describe, where no file of titles is given."
    )
    query: str = Field("", description="One title: its description is printed, and nothing is stored.")
    limit: int | None = Field(None, ge=1, description="At most so many titles.", json_schema_extra=unit("titles"))
    part_rows: int = Field(
        2000,
        ge=1,
        le=100_000,
        description="Titles of a part: what is done at a time.",
        json_schema_extra=unit("titles"),
    )
    parts: int | None = Field(
        None,
        ge=1,
        description="How many indexes share the batch: index i does the parts i, i + so many, and so on. Without it, part i alone.",
        json_schema_extra=unit("indexes"),
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.query and (self.titles or self.index is not None):
            raise ValueError("--query is one title: leave --titles and --index out")
        return self
