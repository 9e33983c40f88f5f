"""The loss of each reference text under a model, given its prompt."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

from jobs.process import lifecycle
from jobs.t5.batches import batches_from_longest, collate
from jobs.t5.loss import row_losses

BATCH_TOKENS = {"cpu": 4_096, "cuda": 32_768}


def losses(
    model: T5ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    references: Sequence[str],
    *,
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
        for rows in batches_from_longest(lengths, BATCH_TOKENS[model.device.type]):
            stop.check()
            tensors = collate([{"input_ids": sources[row], "labels": targets[row]} for row in rows])
            inputs = {name: tensor.to(model.device) for name, tensor in tensors.items()}
            results[rows] = row_losses(model, inputs).cpu()
    by_pair = dict(zip(pairs, results.tolist(), strict=True))
    return [by_pair[pair] for pair in zip(prompts, references, strict=True)]
