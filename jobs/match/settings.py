"""Learn from the catalogue whether a text fits a title.

Reads the catalogue and its index in Postgres. Finds the words that exclude each other (alternatives, such as `cotton` and
`polyester`), trains a matcher on the sellers' own texts against texts of other products, and calibrates it on test products.
Writes matchers/NAME and the table skuscribe.alternative.
"""

from pydantic import Field

from jobs.process.settings import Name, RequireGpu, StoreSettings, unit
from jobs.retrieval.settings import DEFAULT_ENCODER


class Settings(StoreSettings):
    """Settings of `match`."""

    catalogue: Name = Field("main", description="The catalogue to learn from; it must be indexed.")
    matcher: Name = Field("main", description="The name of the matcher.")
    encoder: str = Field(DEFAULT_ENCODER, description="The sentence encoder that the index was built with.")
    pairs: int = Field(
        6_000,
        ge=0,
        description="Maximum number of products that the matcher is trained on, each with its own text and false ones; "
        "0 is all of them.",
        json_schema_extra=unit("products"),
    )
    seed: int = Field(13, ge=0, lt=2**32, description="Seed of the draw of products and pairs, and of the training.")
    require_gpu: RequireGpu = False
