"""Settings of the jobs that write text with a T5."""

from dataclasses import dataclass, replace
from typing import Literal, Self

from pydantic import Field, model_validator

from jobs.process.settings import unit
from jobs.retrieval.settings import PROMPT_TOKENS, RetrievalSettings

Precision = Literal["auto", "int8", "bfloat16", "float32"]


@dataclass(frozen=True)
class Decoding:
    """How the next token is chosen. A penalty of 1 and an n-gram size of 0 allow repetition.

    The names of the fields are persisted in manifests.
    """

    beam_size: int = 1
    no_repeat_ngram: int = 3
    repetition_penalty: float = 1.2
    min_target_tokens: int = 8
    max_target_tokens: int = 128

    def stricter(self) -> "Decoding":
        """Return the decoding of a second attempt: 4 beams, no repeated bigram, a higher penalty, 3/4 of the length."""
        return replace(
            self,
            beam_size=max(self.beam_size, 4),
            no_repeat_ngram=2,
            repetition_penalty=self.repetition_penalty + 0.3,
            max_target_tokens=max(self.max_target_tokens * 3 // 4, self.min_target_tokens),
        )


class GenerationSettings(RetrievalSettings):
    """Settings of `evaluate` and `describe`, which write in the same way."""

    replace: bool = Field(
        False,
        description="Replace a result of the same name that was created from another model or index, or with other settings, instead of "
        "ending with exit code 78.",
    )
    prompt_max_tokens: int = Field(
        PROMPT_TOKENS,
        ge=16,
        le=4096,
        description="Maximum prompt length; longer prompts are truncated. The whole title must fit.",
        json_schema_extra=unit("tokens"),
    )
    answer_min_tokens: int = Field(
        8, ge=0, le=512, description="Minimum length of a description.", json_schema_extra=unit("tokens")
    )
    answer_max_tokens: int = Field(
        128,
        ge=8,
        le=1024,
        description="Maximum length of a description; a longer one is truncated.",
        json_schema_extra=unit("tokens"),
    )
    beams: int = Field(
        1, ge=1, le=16, description="Beam width of the first attempt; 1 is greedy.", json_schema_extra=unit("beams")
    )
    no_repeat_ngram: int = Field(
        3,
        ge=0,
        le=10,
        description="Size of the n-grams that may not repeat; 0 allows repetition.",
        json_schema_extra=unit("tokens"),
    )
    repetition_penalty: float = Field(
        1.2, ge=1, le=3, description="Penalty for tokens that the text already has; 1 is no penalty."
    )
    precision: Precision = Field(
        "auto", description="Data type of the weights; `auto` is int8 on a CPU and bfloat16 on a GPU."
    )
    batch_tokens: int = Field(
        0,
        ge=0,
        description="Maximum number of tokens per batch, padding included; 0 is 8,192 on a CPU and 131,072 on a GPU.",
        json_schema_extra=unit("tokens"),
    )

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        if self.answer_min_tokens > self.answer_max_tokens:
            raise ValueError(
                f"--answer-min-tokens {self.answer_min_tokens} exceeds --answer-max-tokens {self.answer_max_tokens}"
            )
        return self

    @property
    def decoding(self) -> Decoding:
        """The decoding of the first attempt."""
        return Decoding(
            self.beams, self.no_repeat_ngram, self.repetition_penalty, self.answer_min_tokens, self.answer_max_tokens
        )
