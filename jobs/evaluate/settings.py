"""Answer the same questions with every stage of a run, and score the answers.

The stages are the base model, the model after each shard, and the base and the last model with retrieval. Of shards that are
trained at once, the model that theirs are merged into is a stage.
Reads the catalogue, the models, the matcher, and the index in Postgres. Writes runs/RUN/evaluation/STAGE:
answers.parquet, and scores.json with loss, ROUGE, repetition and flagged answers, each with its 95 % confidence interval,
and the scores of two baselines.
Index i of an Indexed Job is stage i: base, base-retrieval, shard-00000, shard-00001 ..., the last shard with retrieval.

    skuscribe evaluate --questions 50
"""

from pydantic import Field

from jobs.process.settings import MaxShards, Name, unit
from jobs.quality.settings import DEFAULT_NUMBER_SUPPORT, MatcherName, NumberSupport, PublishFrom, WordsOnly
from jobs.t5.settings import GenerationSettings


class Settings(GenerationSettings):
    """Settings of `evaluate`."""

    catalogue: Name = Field("main", description="The catalogue that the questions come from.")
    run: Name = Field("main", description="The run to evaluate.")
    model: Name = Field("base", description="The base model of the run.")
    matcher: MatcherName = "main"
    words_only: WordsOnly = False
    publish_from: PublishFrom = None
    number_support: NumberSupport = DEFAULT_NUMBER_SUPPORT
    max_shards: MaxShards = None
    questions: int = Field(
        200, ge=2, le=100_000, description="Maximum number of questions per group.", json_schema_extra=unit("questions")
    )
    seed: int = Field(13, ge=0, description="Seed of the bootstrap resamples for the confidence intervals.")
