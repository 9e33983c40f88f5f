"""All metrics and answers of a run to one HTML page, a PDF and CSV files.

Reads the catalogue, every trained shard's metrics, every evaluated stage and a batch of descriptions; what is not there
yet is left out. Writes `runs/RUN/report/`: index.html, report.pdf, shards.csv, stages.csv, answers.csv. A report of
older inputs is replaced. Try: `skuscribe report --run main --gpu-hour-price 0.71`
"""

from typing import Literal

from pydantic import Field

from jobs.process.settings import Name, StoreSettings, unit


class Settings(StoreSettings):
    """What to report on."""

    run: Name = Field("main", description="The run to report on.")
    catalogue: Name = Field("main", description="The catalogue that it was trained on.")
    batch: Name | Literal[""] = Field("main", description="The batch of descriptions to report on; empty for none.")
    gpu_hour_price: float = Field(
        0.0, ge=0, description="What an hour of the machine costs; 0 leaves cost out.", json_schema_extra=unit("USD")
    )
    examples: int = Field(
        8, ge=0, le=50, description="How many questions to show.", json_schema_extra=unit("questions")
    )
    partial: bool = Field(True, description="Report while shards are still to be trained; without it, wait for all.")
    seed: int = Field(13, ge=0, description="Seed of the intervals of differences.")
