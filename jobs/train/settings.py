"""Train one shard from its parent model, or all shards.

Reads catalogue/NAME and the parent: the model of the previous shard, or the base model for the first shard; with
--retrieval-share, also the index in Postgres. Writes runs/RUN/run.json and, per shard, runs/RUN/shard-00000: the model in the
format of transformers, and its metrics. With --shards-at-once, that many shards start from the same model and can be trained on
as many machines; runs/RUN/merged/shard-00003 is then the model that those up to shard 3 are merged into. A checkpoint is saved
every few minutes and after a signal: a run that was killed and started again ends with the same weights as an uninterrupted
one.

    skuscribe train --epochs 1 --target-tokens-per-batch 1024
"""

from pydantic import Field, model_validator

from jobs.process.settings import MaxShards, Name, ShardsAtOnce, flag_only, unit
from jobs.retrieval.settings import PROMPT_TOKENS, Neighbours, RetrievalSettings, RetrievalShare
from jobs.train.recipes import FAST, REFERENCE, RecipeName

MIN_TARGET_TOKENS_PER_BATCH, MAX_GRADIENT_ACCUMULATION = 64, 1024


def _of_recipe(name: str) -> str:
    """Return the default of a hyperparameter for its help text: the value of each recipe."""
    fast, reference = (_value(name, getattr(recipe, name)) for recipe in (FAST, REFERENCE))
    return f"Default: {fast}." if fast == reference else f"Default: {fast} (fast), {reference} (reference)."


def _value(name: str, value: float) -> str:
    is_no_limit = name in ("batch_rows", "target_tokens_per_batch") and value == 0
    return "no limit" if is_no_limit else str(value).removesuffix(".0")


class TrainingSettings(RetrievalSettings):
    """How a run is trained: the settings that `train` and `estimate` share."""

    catalogue: Name = Field("main", description="The catalogue to train on.")
    run: Name = Field("main", description="The name of the run, which has a model per shard.")
    model: Name = Field(
        "base",
        description="The base model of the first shard: its name in the store, as `skuscribe fetch-model --model` gives it.",
    )
    max_shards: MaxShards = None
    recipe: RecipeName = Field(
        "fast",
        description="Default hyperparameters: those of the notebooks (`reference`), or others that train faster, with batches "
        "filled by tokens (`fast`).",
    )
    neighbours: Neighbours = Field(
        3, description="Number of retrieved neighbours in the prompt of each row that --retrieval-share selects."
    )
    seed: int = Field(13, ge=0, lt=2**32, description="Seed of the order of the rows and of dropout.")
    retrieval_share: RetrievalShare = 0.0
    counterfactual_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Fraction of training rows that are added again, with one fact of the title exchanged in both title and description: "
        "this teaches the model to take facts from the title.",
    )
    shards_at_once: ShardsAtOnce = 1
    outer_learning_rate: float = Field(
        0.7, gt=0, le=2, description="With --shards-at-once: learning rate of the outer step that merges the models."
    )
    outer_momentum: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="With --shards-at-once: Nesterov momentum of the outer step. With 0, and --outer-learning-rate 1, the merged "
        "model is the mean of the models.",
    )
    epochs: int | None = Field(
        None, ge=1, le=1000, description=f"Epochs per shard. {_of_recipe('epochs')}", json_schema_extra=unit("epochs")
    )
    learning_rate: float | None = Field(
        None, gt=0, le=1, description=f"Peak learning rate. {_of_recipe('learning_rate')}"
    )
    weight_decay: float | None = Field(
        None, ge=0, le=1, description=f"Weight decay of AdamW. {_of_recipe('weight_decay')}"
    )
    warmup: float | None = Field(
        None,
        ge=0,
        le=1,
        description=f"Fraction of the steps with a rising learning rate. {_of_recipe('warmup')}",
        json_schema_extra=unit("fraction of all steps"),
    )
    batch_rows: int | None = Field(
        None, ge=1, le=4096, description=f"Rows per batch. {_of_recipe('batch_rows')}", json_schema_extra=unit("rows")
    )
    target_tokens_per_batch: int | None = Field(
        None,
        ge=MIN_TARGET_TOKENS_PER_BATCH,
        le=1_000_000,
        description=f"Maximum number of target tokens per batch, and of source tokens, padding included; replaces --batch-rows. On a GPU, rows are then padded to a multiple of 8 tokens. {_of_recipe('target_tokens_per_batch')}",
        json_schema_extra=unit("tokens"),
    )
    gradient_accumulation: int | None = Field(
        None,
        ge=1,
        le=MAX_GRADIENT_ACCUMULATION,
        description=f"Batches per optimizer step. {_of_recipe('gradient_accumulation')}",
        json_schema_extra=unit("batches"),
    )
    max_source_tokens: int | None = Field(
        None,
        ge=8,
        le=4096,
        description=f"Maximum prompt length; longer prompts are truncated. {_of_recipe('max_source_tokens')[:-1]}, or {PROMPT_TOKENS} with "
        "--retrieval-share.",
        json_schema_extra=unit("tokens"),
    )
    max_target_tokens: int | None = Field(
        None,
        ge=8,
        le=4096,
        description=f"Maximum description length; longer ones are truncated. {_of_recipe('max_target_tokens')}",
        json_schema_extra=unit("tokens"),
    )
    max_gradient_norm: float | None = Field(
        None, gt=0, description=f"Gradient-norm clipping threshold. {_of_recipe('max_gradient_norm')}"
    )
    rouge_rows: int = Field(
        200,
        ge=0,
        le=100_000,
        description="Number of test rows for which answers are generated after each epoch, to compute ROUGE. 0: no ROUGE.",
        json_schema_extra=unit("rows"),
    )
    save_every_seconds: float = Field(
        300, ge=0, description="Time between two checkpoints.", json_schema_extra=unit("seconds")
    )
    stall_minutes: float = Field(
        30,
        ge=0,
        description="End with exit code 75 after this time without a training step, and save a checkpoint if possible. 0: no time limit.",
        json_schema_extra=unit("minutes"),
    )

    @model_validator(mode="after")
    def _one_way_to_fill_batches(self) -> "TrainingSettings":
        if self.batch_rows is not None and self.target_tokens_per_batch is not None:
            raise ValueError("--batch-rows and --target-tokens-per-batch exclude each other: give one")
        return self

    @model_validator(mode="after")
    def _something_to_merge(self) -> "TrainingSettings":
        if self.shards_at_once == 1 and {"outer_learning_rate", "outer_momentum"} & self.model_fields_set:
            raise ValueError(
                "--outer-learning-rate and --outer-momentum merge models: give --shards-at-once, at least 2, too"
            )
        return self


class Settings(TrainingSettings):
    """Settings of `train`."""

    only_check: bool = Field(
        False,
        description="Train nothing: end with exit code 0 if the next shard, or that of --index, can be trained now or is trained, and with "
        "75 if the model that it starts from is missing.",
        json_schema_extra=flag_only(),
    )
