"""The loss of each reference text under a model, given its prompt."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

from jobs.process import lifecycle
from jobs.t5.loss import IGNORED, row_losses

BATCH_TOKENS = {"cpu": 4_096, "cuda": 32_768}


def losses(
    model: T5ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    references: Sequence[str],
    max_prompt_tokens: int,
    max_reference_tokens: int,
) -> list[float]:
    """Return the mean negative log-likelihood of each reference, end token included, in nats per token.

    Computed in float32 on the model's device, in batches of similar length. Equal pairs are computed once. Errors:
    `Interrupted` between batches.
    """
    pairs = list(dict.fromkeys(zip(prompts, references, strict=True)))
    if not pairs:
        return []
    sources = tokenizer([pair[0] for pair in pairs], truncation=True, max_length=max_prompt_tokens).input_ids
    targets = tokenizer([pair[1] for pair in pairs], truncation=True, max_length=max_reference_tokens).input_ids
    lengths = [len(source) + len(target) for source, target in zip(sources, targets, strict=True)]
    results = torch.zeros(len(pairs))
    with lifecycle.deferred() as stop, torch.inference_mode():
        for rows in _batches(lengths, BATCH_TOKENS[model.device.type]):
            stop.check()
            inputs = _tensors([sources[row] for row in rows], [targets[row] for row in rows], model.device)
            results[rows] = row_losses(model, inputs).cpu()
    by_pair = dict(zip(pairs, results.tolist(), strict=True))
    return [by_pair[pair] for pair in zip(prompts, references, strict=True)]


def _batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Return the row numbers, longest rows first, in batches of at most `max_tokens` tokens, padding included."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= max_tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def _tensors(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], device: torch.device
) -> dict[str, torch.Tensor]:
    return {
        "input_ids": _padded(sources, 0).to(device),
        "attention_mask": _padded([[1] * len(source) for source in sources], 0).to(device),
        "labels": _padded(targets, IGNORED).to(device),
    }


def _padded(rows: Sequence[Sequence[int]], padding: int) -> torch.Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[padding] * (width - len(row))] for row in rows])
