"""Store a base model, verified, for every other job to start from.

Reads a model of the Hugging Face hub, a folder, an s3:// prefix, or nothing: `tiny` is built on the spot.
Writes models/NAME: configuration, safetensors weights, tokenizer. Pickled weights are never taken.
Try: skuscribe fetch-model --source tiny --tokenizer folder/of/flan-t5
"""

from pydantic import Field, model_validator

from jobs.process.settings import Name, StoreSettings, unit

TINY = "tiny"


class Settings(StoreSettings):
    """What `fetch-model` can be told."""

    source: str = Field(
        "google/flan-t5-base",
        min_length=1,
        description="A model of the hub (google/flan-t5-small to -xxl), a folder, s3://BUCKET/PREFIX, or `tiny`.",
    )
    revision: str = Field("main", min_length=1, description="Which revision of a model of the hub to take.")
    model: Name = Field("base", description="The name to store it under.")
    tokenizer: str = Field(
        "",
        description="For `tiny`: a folder or s3:// prefix with a tokenizer; without it one is learnt from the catalogue.",
    )
    catalogue: Name = Field("main", description="For `tiny` without a tokenizer: the catalogue to learn one from.")
    tiny_width: int = Field(
        64, ge=16, le=1024, multiple_of=16, description="Width of the tiny model.", json_schema_extra=unit("dimensions")
    )
    tiny_layers: int = Field(
        2, ge=1, le=24, description="Layers of its encoder, and of its decoder.", json_schema_extra=unit("layers")
    )
    tiny_vocabulary: int = Field(
        2000,
        ge=300,
        le=32_000,
        description="Size of a vocabulary learnt from the catalogue.",
        json_schema_extra=unit("pieces"),
    )
    seed: int = Field(13, ge=0, description="Decides the weights of the tiny model.")

    @model_validator(mode="after")
    def _tokenizer_is_for_tiny(self) -> "Settings":
        if self.tokenizer and self.source != TINY:
            raise ValueError("--tokenizer goes with --source tiny alone: any other model brings its own")
        return self
