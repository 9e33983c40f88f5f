"""The loss and the ROUGE of a model on rows that it is not trained on."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import datasets
import numpy as np
import torch
from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

from jobs.quality.rouge import Rouge, mean_rouge, rouge_scores
from jobs.t5.loss import summed_loss
from jobs.train.batches import Lengths, Rows, collate, token_batches
from jobs.train.device import TrainingDevice

TOKENS_PER_BATCH = 8192


def mean_loss(
    model: T5ForConditionalGeneration,
    examples: datasets.Dataset,
    lengths: Lengths,
    device: TrainingDevice,
    safe_point: Callable[[], None],
) -> float | None:
    """Return the mean cross entropy per target token, in nats, or None if there are no rows."""
    if not len(lengths.target):
        return None
    total = 0.0
    with evaluation_mode(model, device):
        for rows in token_batches(np.arange(len(lengths.target)), lengths, TOKENS_PER_BATCH):
            safe_point()
            total += float(summed_loss(model, _inputs(examples, rows, device)))
    return total / int(lengths.target.sum())


def greedy_rouge(
    model: T5ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    examples: datasets.Dataset,
    lengths: Lengths,
    references: Sequence[str],
    device: TrainingDevice,
    safe_point: Callable[[], None],
    *,
    max_tokens: int,
) -> Rouge | None:
    """Return the mean ROUGE of greedy answers to the first `len(references)` rows, or None if there are no references.

    `max_tokens`: maximum length of an answer.
    """
    if not references:
        return None
    answers = [""] * len(references)
    first = Lengths(lengths.source[: len(references)], np.full(len(references), max_tokens))
    with evaluation_mode(model, device):
        for rows in token_batches(np.arange(len(references)), first, TOKENS_PER_BATCH):
            safe_point()
            inputs = _inputs(examples, rows, device)
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


def _inputs(examples: datasets.Dataset, rows: Rows, device: TrainingDevice) -> dict[str, torch.Tensor]:
    tensors = collate([examples[row] for row in rows.tolist()])
    return {name: tensor.to(device.name) for name, tensor in tensors.items()}


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
