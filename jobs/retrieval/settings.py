"""Settings of the jobs that show retrieved neighbours to a model."""

from typing import Annotated

from pydantic import Field

from jobs.process.settings import IndexedSettings, RequireGpu, unit

DEFAULT_ENCODER = "all-MiniLM-L6-v2"
PROMPT_TOKENS = 384
"""Maximum prompt length, in tokens, with retrieved neighbours: room for a title and the texts of a few neighbours."""


Neighbours = Annotated[int, Field(ge=0, le=20, json_schema_extra=unit("products"))]


class RetrievalSettings(IndexedSettings):
    """Settings of a job that trains a model or writes with it, with retrieved neighbours in the prompt."""

    neighbours: Neighbours = Field(
        3, description="Number of retrieved neighbours in each prompt of a stage with retrieval."
    )
    encoder: str = Field(DEFAULT_ENCODER, description="The sentence encoder that the index was built with.")
    require_gpu: RequireGpu = False


RetrievalShare = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="Fraction of training rows with retrieved neighbours in the prompt; 0 trains without an index.",
    ),
]
