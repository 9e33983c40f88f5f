"""Learn from the catalogue whether a text fits a title.

Reads the catalogue and its index in Postgres. Finds the words that exclude each other (alternatives, such as `cotton` and
`polyester`), trains a matcher on the sellers' own texts against wrong ones, and calibrates it on test products.
Writes matchers/NAME and the table skuscribe.alternative.

    skuscribe match --catalogue main
"""

from pydantic import Field

from jobs.process.settings import Name, StoreSettings, unit


class Settings(StoreSettings):
    """Settings of `match`."""

    catalogue: Name = Field("main", description="The catalogue to learn from; it must be indexed.")
    matcher: Name = Field("main", description="The name of the matcher.")
    pairs: int = Field(
        16_000,
        ge=0,
        description="Maximum number of products to learn from, each with its own text and wrong ones. 0: all products.",
        json_schema_extra=unit("products"),
    )
    hold_back: float = Field(
        0.09,
        gt=0,
        lt=1,
        description="Fraction of the sellers' own texts that may fall below the default of --publish-from.",
        json_schema_extra=unit("fraction of texts"),
    )
    seed: int = Field(13, ge=0, lt=2**32, description="Seed of the draw of products and pairs, and of the training.")
