"""Write a description for each title, with retrieved neighbours in the prompt, and check it.

Reads titles (a file, or a split of the catalogue), the last model of a run, and the index in Postgres. Writes the table
skuscribe.description and exports/BATCH: JSON Lines, CSV and Parquet, part by part. A description that fails a check is generated
again with stricter decoding, then flagged with the reason. A title that cannot be described becomes a row with its error.

    skuscribe describe --query "Stainless steel water bottle 750 ml"
"""

from typing import Literal, Self

from pydantic import AliasChoices, Field, model_validator
from pydantic_settings import SettingsConfigDict

from jobs.process.settings import MaxShards, Name, unit
from jobs.quality.settings import DEFAULT_NUMBER_SUPPORT, MatcherName, NumberSupport, PublishFrom, WordsOnly
from jobs.retrieval.settings import Neighbours
from jobs.t5.settings import GenerationSettings


class Settings(GenerationSettings):
    """Settings of `describe`."""

    model_config = SettingsConfigDict(env_prefix_target="all")  # the prefix applies to the alias `parts` too

    catalogue: Name = Field("main", description="The catalogue whose products are the neighbours.")
    run: Name = Field("main", description="The run whose model generates the descriptions.")
    shard: int | None = Field(
        None,
        ge=0,
        description="Use the model trained on this shard, counted from 0. Default: the last shard of the "
        "run's catalogue, or of those that --max-shards includes.",
    )
    neighbours: Neighbours = Field(
        3,
        description="Number of retrieved neighbours in the prompt of each title. Default: 3 if the run was trained with retrieved "
        "neighbours, else 0.",
    )
    matcher: MatcherName = "main"
    words_only: WordsOnly = False
    publish_from: PublishFrom = None
    number_support: NumberSupport = DEFAULT_NUMBER_SUPPORT
    from_audit: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Publish a text if its probability reaches the lowest threshold from which this share of the texts labelled with "
        "`skuscribe audit` is right. A warning says if the labels are too few to be certain. Default: the threshold of --publish-from.",
        json_schema_extra=unit("share of right texts"),
    )
    candidates: int = Field(
        4,
        ge=1,
        le=16,
        description="Number of texts generated again for a title whose first text has a flag; the best one is chosen. "
        "With --words-only: one.",
        json_schema_extra=unit("texts"),
    )
    max_shards: MaxShards = None
    batch: Name = Field("main", description="The name of the batch, in the exports and in the table.")
    titles: str = Field(
        "",
        description="A file of titles (.txt, .jsonl, .json, .csv or .parquet, compressed or not): a path, https:// or s3://. "
        "Default: the titles of --split.",
    )
    title_field: str = Field("", description="Field or column of the title in --titles. Default: `title`.")
    uid_field: str = Field(
        "", description="Field or column of the uid in --titles. Default: `uid`, or else `asin` or `parent_asin`."
    )
    split: Literal["held-out", "train", "test", "all"] = Field(
        "held-out", description="The products of the catalogue to describe, unless --titles is set."
    )
    query: str | None = Field(
        None, min_length=1, description="Describe this title only: print the description, and store nothing."
    )
    limit: int | None = Field(
        None, ge=1, description="Maximum number of titles. Default: all.", json_schema_extra=unit("titles")
    )
    part_rows: int = Field(
        2000,
        ge=1,
        le=100_000,
        description="Titles per part, which is committed as a whole. Texts in parts of fewer than 20 titles are never flagged `unreliable`.",
        json_schema_extra=unit("titles"),
    )
    workers: int | None = Field(
        None,
        ge=1,
        validation_alias=AliasChoices("workers", "parts"),
        description="Number of indexes of the Indexed Job that share the batch: index i does the parts i, i + workers, i + 2 x workers, ... "
        "Default: index i does part i only.",
        json_schema_extra=unit("indexes"),
    )

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        if self.publish_from is not None and self.from_audit is not None:
            raise ValueError("--publish-from and --from-audit exclude each other: give one")
        if self.words_only and (self.publish_from is not None or self.from_audit is not None):
            raise ValueError("--publish-from and --from-audit compare probabilities of a matcher: omit --words-only")
        return self

    @model_validator(mode="after")
    def _query_excludes_a_batch(self) -> Self:
        if self.query is not None and (self.titles or self.index is not None):
            raise ValueError("--query describes a single title: omit --titles and --index")
        return self
