"""The loss of each reference text: how surprised a model is by what the seller wrote."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobs.process import lifecycle

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

BATCH_TOKENS = {"cpu": 4_096, "cuda": 32_768}
_LOGITS = 2**24  # numbers of 4 bytes at a time: the logits of a batch are its largest tensor by far
_IGNORED = -100


def losses(
    model: "T5ForConditionalGeneration",
    tokenizer: "PreTrainedTokenizerFast",
    prompts: Sequence[str],
    references: Sequence[str],
    max_prompt_tokens: int,
    max_reference_tokens: int,
) -> list[float]:
    """The mean negative log-likelihood of each reference's tokens, end mark included, given its prompt; in nats a token.

    Computed in float32 where the model lies, in batches of similar length. Equal pairs are computed once. Errors:
    `Interrupted` between batches.
    """
    import torch

    pairs = list(dict.fromkeys(zip(prompts, references, strict=True)))
    if not pairs:
        return []
    sources = tokenizer([pair[0] for pair in pairs], truncation=True, max_length=max_prompt_tokens).input_ids
    targets = tokenizer([pair[1] for pair in pairs], truncation=True, max_length=max_reference_tokens).input_ids
    found = torch.zeros(len(pairs))
    with lifecycle.deferred() as stop, torch.inference_mode():
        for rows in _batches([len(a) + len(b) for a, b in zip(sources, targets, strict=True)], model.device.type):
            stop.check()
            found[rows] = _batch_losses(model, [sources[row] for row in rows], [targets[row] for row in rows])
    by_pair = dict(zip(pairs, found.tolist(), strict=True))
    return [by_pair[pair] for pair in zip(prompts, references, strict=True)]


def _batches(lengths: Sequence[int], device: str) -> list[list[int]]:
    """Rows from long to short, in batches of at most so many padded tokens."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda item: (-lengths[item], item)):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= BATCH_TOKENS[device]:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def _batch_losses(
    model: "T5ForConditionalGeneration", sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> "torch.Tensor":
    """The loss of each row, shape (rows,), on the CPU."""
    import torch

    inputs, labels = _padded(sources, 0).to(model.device), _padded(targets, _IGNORED).to(model.device)
    mask = _padded([[1] * len(source) for source in sources], 0).to(model.device)
    encoded = model.encoder(input_ids=inputs, attention_mask=mask).last_hidden_state
    hidden = model.decoder(
        input_ids=model.prepare_decoder_input_ids_from_labels(labels),
        encoder_hidden_states=encoded,
        encoder_attention_mask=mask,
        use_cache=False,
    ).last_hidden_state
    if model.config.scale_decoder_outputs:
        hidden = hidden * model.model_dim**-0.5
    real = labels.ne(_IGNORED)
    rows = real.nonzero()[:, 0]
    states, wanted = hidden[real], labels[real]
    total = torch.zeros(len(labels), device=model.device)
    size = max(1, _LOGITS // model.lm_head.weight.shape[0])
    for first in range(0, len(states), size):
        part = slice(first, first + size)
        loss = torch.nn.functional.cross_entropy(model.lm_head(states[part]).float(), wanted[part], reduction="none")
        total.index_add_(0, rows[part], loss)
    return (total / real.sum(dim=1)).cpu()


def _padded(rows: Sequence[Sequence[int]], filling: int) -> "torch.Tensor":
    import torch

    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[filling] * (width - len(row))] for row in rows])
