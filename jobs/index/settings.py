"""Index a catalogue in Postgres: a vector for each product, an HNSW index over them, and its measured recall.

Reads catalogue/NAME; writes the schema `skuscribe` (sql/). New and changed texts alone are embedded; the finished table
takes the old one's place at once, so a reader never sees half of it.
Phase `embed`, as an Indexed Job, embeds one file of the catalogue per index; phase `build`, after it, makes the index.
Try: skuscribe index --catalogue main
"""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from jobs.process.settings import IndexedSettings, Name, unit
from jobs.retrieval.settings import DEFAULT_ENCODER

if TYPE_CHECKING:
    pass


class Settings(IndexedSettings):
    """What decides an index."""

    catalogue: Name = Field("main", description="The catalogue to index.")
    encoder: str = Field(DEFAULT_ENCODER, description="The sentence encoder: its name, a folder, or a hub id.")
    phase: Literal["all", "embed", "build"] = Field(
        "all", description="Embed, build the index, or both; with --index, embed that file of the catalogue."
    )
    m: int = Field(16, ge=4, le=96, description="HNSW: links of a vector per layer.")
    ef_construction: int = Field(64, ge=8, le=1000, description="HNSW: candidates while building; at least twice --m.")
    recall_at_least: float = Field(
        0.99, gt=0, le=1, description="The smallest ef_search that finds this share of the 10 nearest is used."
    )
    recall_queries: int = Field(
        200, ge=10, le=10_000, json_schema_extra=unit("queries"), description="Recall is measured on so many."
    )
    build_memory_mb: int = Field(
        2048, ge=64, json_schema_extra=unit("MiB"), description="At most so much memory of the server for the build."
    )
    build_workers: int = Field(2, ge=0, le=64, description="Parallel workers of the server for the build; 0 for none.")
    seed: int = Field(13, description="Chooses the products on which recall is measured.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.ef_construction < 2 * self.m:
            raise ValueError(
                f"--ef-construction is {self.ef_construction}, at least twice --m ({2 * self.m}) is needed"
            )
        if self.index is not None and self.phase == "build":
            raise ValueError("--index embeds one file; --phase build needs all of them: leave one of the two out")
        return self
