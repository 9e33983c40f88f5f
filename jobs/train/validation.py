"""The loss and the ROUGE of a model on rows that it is not trained on."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import datasets
import numpy as np
import torch
from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

from jobs.quality.rouge import Rouge, mean_rouge, rouge_scores
from jobs.t5.batches import collate
from jobs.t5.loss import summed_loss
from jobs.train.batches import Lengths, Rows, lengths_of, token_batches
from jobs.train.device import TrainingDevice

TOKENS_PER_BATCH = 8192


@dataclass(frozen=True)
class ValidationRows:
    """Rows that the model is not trained on.

    `examples`: as `batches.tokenize()` returns them. `references`: the descriptions of the first rows, with which ROUGE
    compares answers.
    """

    examples: datasets.Dataset
    references: Sequence[str] = ()

    @cached_property
    def lengths(self) -> Lengths:
        """The tokens of each row."""
        return lengths_of(self.examples)

    def inputs(self, rows: Rows, device: TrainingDevice) -> dict[str, torch.Tensor]:
        """Return the tensors of some rows on the device."""
        tensors = collate([self.examples[row] for row in rows.tolist()])
        return {name: tensor.to(device.name) for name, tensor in tensors.items()}


def mean_loss(
    model: T5ForConditionalGeneration,
    validation: ValidationRows,
    device: TrainingDevice,
    safe_point: Callable[[], None],
) -> float | None:
    """Return the mean cross entropy per target token, in nats, or None if there are no rows."""
    lengths = validation.lengths
    if not len(lengths.target):
        return None
    total = 0.0
    with evaluation_mode(model, device):
        for rows in token_batches(np.arange(len(lengths.target)), lengths, TOKENS_PER_BATCH):
            safe_point()
            total += float(summed_loss(model, validation.inputs(rows, device)))
    return total / int(lengths.target.sum())


def greedy_rouge(
    model: T5ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    validation: ValidationRows,
    device: TrainingDevice,
    safe_point: Callable[[], None],
    *,
    max_tokens: int,
) -> Rouge | None:
    """Return the mean ROUGE of greedy answers to the rows with a reference, or None if there are no references.

    `max_tokens`: maximum length of an answer.
    """
    references = validation.references
    if not references:
        return None
    answers = [""] * len(references)
    first = Lengths(validation.lengths.source[: len(references)], np.full(len(references), max_tokens))
    with evaluation_mode(model, device):
        for rows in token_batches(np.arange(len(references)), first, TOKENS_PER_BATCH):
            safe_point()
            inputs = validation.inputs(rows, device)
            for row, text in zip(rows, _generate(model, tokenizer, inputs, max_tokens), strict=True):
                answers[row] = text
    return mean_rouge(rouge_scores(answers, references))


def _generate(
    model: T5ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    inputs: dict[str, torch.Tensor],
    max_tokens: int,
) -> list[str]:
    tokens: Any = model.generate(  # type: ignore[misc]  # its declaration of self excludes T5
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        max_new_tokens=max_tokens,
        do_sample=False,
        num_beams=1,
    )
    return list(tokenizer.batch_decode(tokens, skip_special_tokens=True))


@contextmanager
def evaluation_mode(model: T5ForConditionalGeneration, device: TrainingDevice) -> Iterator[None]:
    """Turn off dropout and gradients, use bfloat16 if training does, and restore the random states at the end."""
    gpus = [0] if device.gpu else []
    with (
        torch.random.fork_rng(devices=gpus),
        torch.inference_mode(),
        torch.autocast(device.name, torch.bfloat16, device.bf16),
    ):
        model.eval()  # type: ignore[no-untyped-call]
        yield
