"""Train one shard from its parent model, or all shards in a chain.

Reads catalogue/NAME and the parent: the model of the previous shard, or the base model for the first shard; with
--retrieval-share, also the index in Postgres. Writes runs/RUN/run.json and, per shard, runs/RUN/shard-00000: the model in the
format of transformers, and its metrics. A checkpoint is saved every few minutes and after a signal: a run that was killed and
started again ends with the same weights as an uninterrupted one.
Try: skuscribe train --epochs 1 --target-tokens-per-batch 1024
"""

from pydantic import Field, model_validator

from jobs.process.settings import MaxShards, Name, unit
from jobs.retrieval.settings import PROMPT_TOKENS, RetrievalSettings, RetrievalShare
from jobs.train.recipes import RecipeName

OF_RECIPE = "Default: as in the recipe."


class Settings(RetrievalSettings):
    """Settings of `train`."""

    catalogue: Name = Field("main", description="The catalogue to train on.")
    run: Name = Field("main", description="The name of the run: a chain of models.")
    model: Name = Field("base", description="The base model of the first shard.")
    max_shards: MaxShards = None
    recipe: RecipeName = Field("fast", description="`fast`, or `reference`: the hyperparameters of the notebooks.")
    seed: int = Field(13, ge=0, lt=2**32, description="Seed of the order of the rows and of dropout.")
    retrieval_share: RetrievalShare = 0.0
    counterfactual_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Fraction of training rows that are added again with one fact of the title exchanged in title and description, "
        "which teaches the model to take facts from the title.",
    )
    epochs: int | None = Field(
        None, ge=1, le=1000, description=f"Epochs per shard. {OF_RECIPE}", json_schema_extra=unit("epochs")
    )
    learning_rate: float | None = Field(None, gt=0, le=1, description=f"Peak learning rate. {OF_RECIPE}")
    weight_decay: float | None = Field(None, ge=0, le=1, description=f"Weight decay of AdamW. {OF_RECIPE}")
    warmup: float | None = Field(
        None,
        ge=0,
        le=1,
        description=f"Fraction of the steps with a rising learning rate. {OF_RECIPE}",
        json_schema_extra=unit("fraction of all steps"),
    )
    batch_rows: int | None = Field(
        None, ge=1, le=4096, description=f"Rows per batch. {OF_RECIPE}", json_schema_extra=unit("rows")
    )
    target_tokens_per_batch: int | None = Field(
        None,
        ge=64,
        le=1_000_000,
        description=f"Maximum number of target tokens per batch, padding included; replaces --batch-rows. {OF_RECIPE}",
        json_schema_extra=unit("tokens"),
    )
    gradient_accumulation: int | None = Field(
        None, ge=1, le=1024, description=f"Batches per optimizer step. {OF_RECIPE}", json_schema_extra=unit("batches")
    )
    max_source_tokens: int | None = Field(
        None,
        ge=8,
        le=4096,
        description=f"Maximum prompt length; longer prompts are truncated. {OF_RECIPE[:-1]}, or {PROMPT_TOKENS} with --retrieval-share.",
        json_schema_extra=unit("tokens"),
    )
    max_target_tokens: int | None = Field(
        None,
        ge=8,
        le=4096,
        description=f"Maximum description length; longer ones are truncated. {OF_RECIPE}",
        json_schema_extra=unit("tokens"),
    )
    max_gradient_norm: float | None = Field(None, gt=0, description=f"Gradient-norm clipping threshold. {OF_RECIPE}")
    rouge_rows: int = Field(
        200,
        ge=0,
        le=100_000,
        description="Test rows that are answered for ROUGE after each epoch.",
        json_schema_extra=unit("rows"),
    )
    save_every_seconds: float = Field(
        300, ge=0, description="Time between two checkpoints.", json_schema_extra=unit("seconds")
    )

    stall_minutes: float = Field(
        30,
        ge=0,
        description="End with 75 after this time without a training step, with a checkpoint if possible; 0 waits for ever.",
        json_schema_extra=unit("minutes"),
    )

    @model_validator(mode="after")
    def _one_way_to_fill_batches(self) -> "Settings":
        if self.batch_rows is not None and self.target_tokens_per_batch is not None:
            raise ValueError("--batch-rows and --target-tokens-per-batch exclude each other: give one")
        return self
