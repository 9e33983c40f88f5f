"""Index a catalogue in Postgres: a vector for each product, an HNSW index over them, and its measured recall.

Reads catalogue/NAME. Writes the schema `skuscribe`. Only new and changed texts are embedded. The finished table replaces the
one in use in one transaction, so that readers see either the old index or the new one.
Phase `embed`, as an Indexed Job, embeds one file of the catalogue per index. Phase `build`, after it, builds the index.

    skuscribe index --catalogue main
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from jobs.process.settings import IndexedSettings, Name
from jobs.retrieval.settings import DEFAULT_ENCODER


class Settings(IndexedSettings):
    """What to index, the encoder, and the parameters of the index."""

    catalogue: Name = Field("main", description="The catalogue to index.")
    encoder: str = Field(
        DEFAULT_ENCODER, description="The sentence encoder: the default's name, a folder, or OWNER/NAME on the hub."
    )
    phase: Literal["all", "embed", "build"] = Field(
        "all", description="Embed, build the index, or both. With --index, only that file of the catalogue is embedded."
    )
    m: int = Field(16, ge=4, le=96, description="HNSW: links of a vector per layer.")
    ef_construction: int = Field(64, ge=8, le=1000, description="HNSW: candidates while building; at least twice --m.")
    recall_at_least: float = Field(
        0.99, gt=0, le=1, description="Minimum recall@10: searches use the smallest ef_search that reaches it."
    )
    seed: int = Field(13, description="Seed of the sample of products with which recall is measured.")

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.ef_construction < 2 * self.m:
            raise ValueError(f"--ef-construction is {self.ef_construction}, expected at least twice --m ({2 * self.m})")
        if self.index is not None and self.phase == "build":
            raise ValueError("--index embeds one file and --phase build needs all files: give only one of the two")
        return self
