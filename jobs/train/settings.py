"""Train a shard's model from the model before it, or all shards in a chain.

Reads catalogue/NAME and the parent: the model of the shard before, for the first shard the base model; with
--retrieval-share, the index in Postgres. Writes runs/RUN/run.json once and runs/RUN/shard-00000: the model in transformers' own
layout, and its metrics. A state to go on from is saved every few minutes and when a signal comes; killed anywhere and
started again, the weights come out equal.
Try: skuscribe train --epochs 1 --target-tokens-per-batch 1024
"""

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from jobs.process.settings import Name, unit
from jobs.retrieval.settings import PROMPT_TOKENS, RetrievalSettings, RetrievalShare
from jobs.train.recipes import RecipeName

if TYPE_CHECKING:
    pass


OF_RECIPE = "Default: the recipe's."


class Settings(RetrievalSettings):
    """What `train` can be told."""

    catalogue: Name = Field("main", description="The catalogue to train on.")
    run: Name = Field("main", description="The name of the chain of models.")
    model: Name = Field("base", description="The base model of the first shard.")
    recipe: RecipeName = Field("fast", description="`fast`, or `reference`: what the notebooks did.")
    seed: int = Field(13, ge=0, lt=2**32, description="Decides the order of the rows, and dropout.")
    retrieval_share: RetrievalShare = 0.0
    epochs: int | None = Field(
        None, ge=1, le=1000, description=f"How often each row is seen. {OF_RECIPE}", json_schema_extra=unit("epochs")
    )
    learning_rate: float | None = Field(None, gt=0, le=1, description=f"The highest learning rate. {OF_RECIPE}")
    weight_decay: float | None = Field(None, ge=0, le=1, description=f"AdamW's weight decay. {OF_RECIPE}")
    warmup: float | None = Field(
        None,
        ge=0,
        le=1,
        description=f"Over what share of the steps the learning rate rises. {OF_RECIPE}",
        json_schema_extra=unit("share of all steps"),
    )
    batch_rows: int | None = Field(
        None, ge=1, le=4096, description=f"Batches of so many rows. {OF_RECIPE}", json_schema_extra=unit("rows")
    )
    target_tokens_per_batch: int | None = Field(
        None,
        ge=64,
        le=1_000_000,
        description=f"Batches of so many target tokens, in place of rows. {OF_RECIPE}",
        json_schema_extra=unit("tokens"),
    )
    gradient_accumulation: int | None = Field(
        None, ge=1, le=1024, description=f"Batches per optimizer step. {OF_RECIPE}", json_schema_extra=unit("batches")
    )
    max_source_tokens: int | None = Field(
        None,
        ge=8,
        le=4096,
        description=f"Prompts are cut there. {OF_RECIPE[:-1]}, or {PROMPT_TOKENS} with --retrieval-share.",
        json_schema_extra=unit("tokens"),
    )
    max_target_tokens: int | None = Field(
        None, ge=8, le=4096, description=f"Descriptions are cut there. {OF_RECIPE}", json_schema_extra=unit("tokens")
    )
    max_gradient_norm: float | None = Field(
        None, gt=0, description=f"Longer gradients are scaled down to it. {OF_RECIPE}"
    )
    rouge_rows: int = Field(
        200,
        ge=0,
        le=100_000,
        description="After each epoch, answer so many test rows for ROUGE.",
        json_schema_extra=unit("rows"),
    )
    rouge_max_tokens: int = Field(
        128, ge=1, le=1024, description="Those answers are cut there.", json_schema_extra=unit("tokens")
    )
    save_every_seconds: float = Field(
        300, ge=0, description="How often a state to go on from is saved.", json_schema_extra=unit("seconds")
    )

    @model_validator(mode="after")
    def _one_way_to_fill_batches(self) -> "Settings":
        if self.batch_rows is not None and self.target_tokens_per_batch is not None:
            raise ValueError("--batch-rows and --target-tokens-per-batch exclude each other: give one")
        return self
