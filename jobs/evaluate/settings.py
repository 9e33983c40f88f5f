"""Ask every stage of a run the same questions: the base model, the model after each shard, with and without retrieval.

Reads the catalogue, the models, and for retrieval the index in Postgres; writes runs/RUN/evaluation/STAGE: answers.parquet and
scores.json with losses, ROUGE, repetition and flags, each with its 95 % interval, and two baselines beside them.
Stage i of an Indexed Job: base, base-retrieval, shard-00000, shard-00001 ..., the last shard with retrieval.
Try: skuscribe evaluate --questions 50
"""

from typing import TYPE_CHECKING

from pydantic import Field

from jobs.process.settings import Name, unit
from jobs.t5.settings import GenerationSettings

if TYPE_CHECKING:
    pass


class Settings(GenerationSettings):
    """What `evaluate` can be told."""

    catalogue: Name = Field("main", description="The catalogue that the questions come from.")
    run: Name = Field("main", description="The run whose models are asked.")
    model: Name = Field("base", description="The base model of the run.")
    questions: int = Field(
        200, ge=2, le=100_000, description="Questions of each group, at most.", json_schema_extra=unit("questions")
    )
    reference_max_tokens: int = Field(
        512, ge=8, le=4096, description="References are cut there for the loss.", json_schema_extra=unit("tokens")
    )
    seed: int = Field(13, ge=0, description="Decides the resamples of the intervals.")
