"""What a model makes of rows that it was not trained on: the loss, and ROUGE of what it writes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.quality.rouge import Rouge, mean_rouge, rouge_scores
from jobs.t5 import loss as lean_loss
from jobs.train import batches
from jobs.train.batches import Lengths, Rows

if TYPE_CHECKING:
    import datasets
    from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

    from jobs.train.trainer import Device

TOKENS_PER_BATCH = 8192


def loss(
    model: "T5ForConditionalGeneration",
    examples: "datasets.Dataset",
    lengths: Lengths,
    device: "Device",
    safe_point: Callable[[], None],
) -> float | None:
    """Mean cross entropy per target token, in nats; None where there are no rows."""
    if not len(lengths.target):
        return None
    total = 0.0
    with evaluating(model, device):
        for rows in batches.token_batches(np.arange(len(lengths.target)), lengths, TOKENS_PER_BATCH):
            safe_point()
            inputs = batches.collate(examples, rows)
            total += float(
                lean_loss.summed_loss(model, {name: value.to(device.name) for name, value in inputs.items()})
            )
    return total / int(lengths.target.sum())


def rouge(
    model: "T5ForConditionalGeneration",
    tokenizer: "PreTrainedTokenizerFast",
    examples: "datasets.Dataset",
    lengths: Lengths,
    references: Sequence[str],
    max_tokens: int,
    device: "Device",
    safe_point: Callable[[], None],
) -> Rouge | None:
    """Mean ROUGE of greedy answers to the first `len(references)` rows; None where there are none.

    `max_tokens`: an answer is cut there.
    """
    if not references:
        return None
    answers = [""] * len(references)
    first = Lengths(lengths.source[: len(references)], np.full(len(references), max_tokens))
    with evaluating(model, device):
        for rows in batches.token_batches(np.arange(len(references)), first, TOKENS_PER_BATCH):
            safe_point()
            for row, text in zip(rows, _write(model, tokenizer, examples, rows, max_tokens, device), strict=True):
                answers[row] = text
    return mean_rouge(rouge_scores(answers, references))


def _write(
    model: "T5ForConditionalGeneration",
    tokenizer: "PreTrainedTokenizerFast",
    examples: "datasets.Dataset",
    rows: Rows,
    max_tokens: int,
    device: "Device",
) -> list[str]:
    inputs = batches.collate(examples, rows)
    written: Any = model.generate(  # type: ignore[misc]  # its own declaration of self leaves T5 out
        input_ids=inputs["input_ids"].to(device.name),
        attention_mask=inputs["attention_mask"].to(device.name),
        max_new_tokens=max_tokens,
        do_sample=False,
        num_beams=1,
    )
    return list(tokenizer.batch_decode(written, skip_special_tokens=True))


@contextmanager
def evaluating(model: "T5ForConditionalGeneration", device: "Device") -> Iterator[None]:
    """No dropout, no gradients, bfloat16 where training has it, and random states left as they were."""
    import torch

    gpus = [0] if device.gpu else []
    with (
        torch.random.fork_rng(devices=gpus),
        torch.inference_mode(),
        torch.autocast(device.name, torch.bfloat16, device.bf16),
    ):
        model.eval()  # type: ignore[no-untyped-call]
        yield
