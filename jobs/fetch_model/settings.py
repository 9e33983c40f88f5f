"""Store a base model, verified, for every other job to start from.

Reads a model of the Hugging Face hub, a folder or an s3:// prefix; `tiny` builds a small random T5 instead. Writes
models/NAME: configuration, safetensors weights, tokenizer. Pickled weights are never read.

    skuscribe fetch-model --source tiny --tokenizer folder/of/flan-t5
"""

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from jobs.process.settings import Name, StoreSettings, unit
from jobs.t5.files import TINY


class Settings(StoreSettings):
    """Settings of `fetch-model`."""

    source: str = Field(
        "google/flan-t5-base",
        min_length=1,
        description="A model of the hub (google/flan-t5-small to -xxl), a folder, s3://BUCKET/PREFIX, or `tiny`.",
    )
    revision: str = Field("main", min_length=1, description="Revision of a model of the hub: a branch, tag or commit.")
    model: Name = Field("base", description="Name of the model in the store.")
    tokenizer: str = Field(
        "",
        description="For `tiny`: folder or s3:// prefix of a tokenizer. Empty: one is trained on the catalogue.",
    )
    catalogue: Name = Field("main", description="For `tiny` without --tokenizer: the catalogue to train one on.")
    tiny_width: int = Field(
        64, ge=16, le=1024, multiple_of=16, description="Width of the tiny model.", json_schema_extra=unit("dimensions")
    )
    tiny_layers: int = Field(
        2,
        ge=1,
        le=24,
        description="Layers of the tiny model's encoder, and of its decoder.",
        json_schema_extra=unit("layers"),
    )
    tiny_vocabulary: int = Field(
        2000,
        ge=300,
        le=32_000,
        description="Vocabulary size of a tokenizer trained on the catalogue.",
        json_schema_extra=unit("tokens"),
    )
    seed: int = Field(13, ge=0, lt=2**32, description="Seed of the tiny model's weights.")

    @field_validator("source", "tokenizer")
    @classmethod
    def _has_a_known_scheme(cls, value: str) -> str:
        if "://" in value and not re.match(r"s3://[^/@]+(/|$)", value):
            raise ValueError(
                "expected a folder or s3://BUCKET/PREFIX without a password, or a model of the hub (OWNER/NAME)"
            )
        return value

    @model_validator(mode="after")
    def _tokenizer_is_for_tiny(self) -> Self:
        if self.tokenizer and self.source != TINY:
            raise ValueError("--tokenizer needs --source tiny: any other model brings its own tokenizer")
        return self
