"""Write the metrics and answers of a run to an HTML page, a PDF and CSV files.

Reads the catalogue, the metrics of each trained shard, each evaluated stage and a batch of descriptions; parts of the run
that do not exist yet are left out. Writes runs/RUN/report: index.html, report.pdf, shards.csv, stages.csv, answers.csv. A
report of older inputs or settings is replaced.

    skuscribe report --run main --gpu-hour-price 0.71
"""

from typing import Literal

from pydantic import Field

from jobs.process.settings import MaxShards, Name, StoreSettings, unit

SEED = 13
"""Seed of the bootstrap intervals of differences between stages. Manifests record it."""


class Settings(StoreSettings):
    """Settings of `report`."""

    run: Name = Field("main", description="The run to report on.")
    catalogue: Name = Field("main", description="The catalogue that the run was trained on.")
    batch: Name | Literal[""] = Field(
        "main",
        description='The batch of descriptions to report on; --batch "" for none, because an empty variable is ignored.',
    )
    max_shards: MaxShards = None
    gpu_hour_price: float = Field(
        0.0, ge=0, description="Price of an hour of the machine; 0 leaves cost out.", json_schema_extra=unit("USD")
    )
    examples: int = Field(
        8, ge=0, le=50, description="Questions to show with their answers.", json_schema_extra=unit("questions")
    )
    partial: bool = Field(True, description="Report on a run that is not finished; without it, exit with code 75.")
