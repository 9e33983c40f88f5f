"""The settings of whoever lets a model write: what it is shown, how the next token is chosen, and where that is computed."""

from typing import Any, Self

from pydantic import Field, model_validator

from jobs.t5 import gpu
from jobs.process.settings import IndexedSettings, RequireGpu, unit
from jobs.retrieval.encoder import DEFAULT_ENCODER
from jobs.t5 import generation
from jobs.t5.generation import Decoding, Precision

PROMPT_TOKENS = 384
"""Room for a title and the texts of a few neighbours."""


class ModelSettings(IndexedSettings):
    """For whoever trains a model or lets it write, with the products nearest to a title beside it."""

    neighbours: int = Field(
        3, ge=0, le=20, description="Products shown to the model beside each title; 0 for none.",
        json_schema_extra=unit("products"),
    )  # fmt: skip
    encoder: str = Field(DEFAULT_ENCODER, description="The sentence encoder that the index was made with.")
    require_gpu: RequireGpu = False

    def check_gpu(self) -> None:
        """Errors: `ConfigurationError` (78) where a GPU is required and none works."""
        if self.require_gpu:
            gpu.described(required=True)


class WritingSettings(ModelSettings):
    """For `evaluate` and `describe`, which write in the same way."""

    prompt_max_tokens: int = Field(
        PROMPT_TOKENS,
        ge=16,
        le=4096,
        description="Prompts are cut there; the title must fit.",
        json_schema_extra=unit("tokens"),
    )
    answer_min_tokens: int = Field(
        8, ge=0, le=512, description="No description ends sooner.", json_schema_extra=unit("tokens")
    )
    answer_max_tokens: int = Field(
        128, ge=8, le=1024, description="Descriptions are cut there.", json_schema_extra=unit("tokens")
    )
    beams: int = Field(
        1, ge=1, le=16, description="Beams of the first try; 1 is greedy.", json_schema_extra=unit("beams")
    )
    no_repeat_ngram: int = Field(
        3,
        ge=0,
        le=10,
        description="No run of so many tokens comes twice; 0 allows it.",
        json_schema_extra=unit("tokens"),
    )
    repetition_penalty: float = Field(
        1.2, ge=1, le=3, description="Divides the odds of tokens that were used; 1 is off."
    )
    precision: Precision = Field("auto", description="Of the weights: int8 on a CPU, bfloat16 on a GPU, where auto.")
    batch_tokens: int = Field(
        0, ge=0, description="Padded tokens of a batch; 0: 8,192 on a CPU, 131,072 on a GPU.",
        json_schema_extra=unit("tokens"),
    )  # fmt: skip
    threads: int = Field(0, ge=0, description="Batches at a time on a CPU; 0: one for each core.")

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        if self.answer_min_tokens > self.answer_max_tokens:
            raise ValueError(
                f"--answer-min-tokens {self.answer_min_tokens} is more than --answer-max-tokens {self.answer_max_tokens}"
            )
        return self

    @property
    def decoding(self) -> Decoding:
        """How the first try is decoded."""
        return Decoding(
            self.beams, self.no_repeat_ngram, self.repetition_penalty, self.answer_min_tokens, self.answer_max_tokens
        )

    @property
    def decisive(self) -> dict[str, Any]:
        """What decides the text, for a fingerprint: `auto` as what it stands for here; threads and batches do not."""
        precision = generation.choose_device(self.precision).precision
        return {"prompt_max_tokens": self.prompt_max_tokens, "precision": precision, **vars(self.decoding)}
