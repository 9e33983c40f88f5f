"""A stage's model: its answers to the questions, and the scores of the answers. Importing this module loads torch."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

from jobs.evaluate import scorecard
from jobs.evaluate.losses import losses
from jobs.evaluate.questions import Question
from jobs.process import log
from jobs.quality.checks import Checker
from jobs.retrieval.neighbours import Neighbour, prompt_texts
from jobs.storage import runs
from jobs.storage.artifact import Artifact
from jobs.t5 import models
from jobs.t5.conversion import convert
from jobs.t5.generation import Answer, Writer
from jobs.t5.inference import InferenceDevice
from jobs.t5.prompt import prompt
from jobs.t5.settings import Decoding


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory. `digest` is that of its artifact."""

    digest: str
    model: T5ForConditionalGeneration
    tokenizer: PreTrainedTokenizerFast


@dataclass(frozen=True)
class StageQuestions:
    """The questions of a stage.

    `neighbours`: the nearest products of each question, nearest first, all of which the answer is checked against. The prompt
    has the `prompt_neighbours` nearest of them.
    """

    questions: Sequence[Question]
    neighbours: Sequence[Sequence[Neighbour]]
    prompt_neighbours: int


@dataclass(frozen=True, kw_only=True)
class InferenceOptions:
    """How answers are generated. Longer prompts are truncated, and so are longer references, whose loss is computed."""

    device: InferenceDevice
    decoding: Decoding
    max_prompt_tokens: int
    max_reference_tokens: int


@dataclass(frozen=True)
class Evaluation:
    """The answers of a stage and their scores. `generation_seconds` is the time that generating the answers took."""

    answers: pa.Table
    groups: dict[str, dict[str, Any]]
    baselines: dict[str, dict[str, dict[str, float]]]
    generation_seconds: float


def load_model(model: Artifact, work: Path) -> LoadedModel:
    """Return the model of an artifact, with the weights on the CPU."""
    folder = runs.fetch_model(model, work)
    loaded = models.load(folder)
    models.set_threads(loaded)
    return LoadedModel(model.digest, loaded, models.load_tokenizer(folder))


def evaluate(
    loaded: LoadedModel, stage: StageQuestions, options: InferenceOptions, checker: Checker, seed: int, work: Path
) -> Evaluation:
    """Answer the questions, and score the answers and the baselines. `seed`: of the intervals; `work`: for temporary files."""
    questions = stage.questions
    in_prompt = [retrieved[: stage.prompt_neighbours] for retrieved in stage.neighbours]
    prompts = [
        prompt(question.title.title, prompt_texts(retrieved))
        for question, retrieved in zip(questions, in_prompt, strict=True)
    ]
    answers, seconds = _answers(loaded, prompts, options, work)
    model = loaded.model.to(options.device.name)  # type: ignore[arg-type]  # its type hint lacks device names
    references = [question.reference for question in questions]
    reference_losses = losses(
        model,
        loaded.tokenizer,
        prompts,
        references,
        max_prompt_tokens=options.max_prompt_tokens,
        max_reference_tokens=options.max_reference_tokens,
    )
    checked = scorecard.check_answers(questions, answers, stage.neighbours, checker)
    scored = scorecard.score_answers(questions, answers, checked, in_prompt, reference_losses)
    return Evaluation(
        scorecard.table(scored),
        scorecard.group_scores(scored, seed),
        scorecard.baseline_scores(questions, in_prompt, seed),
        seconds,
    )


def _answers(
    loaded: LoadedModel, prompts: Sequence[str], options: InferenceOptions, work: Path
) -> tuple[list[Answer], float]:
    """Return the answer to each prompt, and the seconds that generation took."""
    loaded.model.cpu()  # the converter reads weights on the CPU, and an earlier stage may have moved them to the GPU
    torch.cuda.empty_cache()  # CTranslate2 needs the memory that torch would keep
    convert(loaded.model, loaded.tokenizer, work / "converted", options.device.precision)
    writer = Writer(work / "converted", loaded.tokenizer, options.device)
    with log.progress("answers", len(prompts), "answers") as progress:
        started = time.monotonic()
        answers = writer.write(
            writer.encode(prompts, options.max_prompt_tokens),
            options.decoding,
            lambda _position, _answers: progress.advance(),
        )
        return answers, time.monotonic() - started
