"""The cross entropy of a T5, from the logits of real target tokens only, one chunk at a time.

With a vocabulary of 32,128 the logits are by far the largest tensor. A plain forward and backward pass writes the logits,
their log-softmax and its gradient to memory, also for padding. Here only one chunk of logits exists at a time.
"""

from collections.abc import Mapping
from typing import Any

import torch
from transformers import T5ForConditionalGeneration

from jobs.t5.models import has_own_head

IGNORED = -100
"""The label of padding: it has no part in the loss."""

CHUNK_LOGITS = {"cpu": 2**21, "cuda": 2**27}
"""Logits (4 bytes each) per chunk of `summed_loss`: what fits into the cache of a CPU, and what keeps a GPU busy."""

ROW_LOSSES_CHUNK_LOGITS = 2**24


def summed_loss(
    model: T5ForConditionalGeneration, inputs: Mapping[str, torch.Tensor], chunk_logits: int | None = None
) -> torch.Tensor:
    """Return the cross entropy summed over all target tokens, in nats; a scalar with gradients.

    `inputs`: `input_ids`, `attention_mask` and `labels`, each of shape (rows, tokens). `chunk_logits`: logits per chunk; None for
    `CHUNK_LOGITS` of the device. Up to rounding, it is the loss that the model returns times the number of target tokens.
    Autocast applies to the matrix products; the softmax and the sums are float32.
    """
    labels = inputs["labels"]
    states = _target_states(model, inputs)
    weight = model.lm_head.weight
    device = states.device.type
    product_type = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
    chunk_rows = max(1, (chunk_logits or CHUNK_LOGITS[device]) // weight.shape[0])
    with torch.autocast(device, enabled=False):
        loss: torch.Tensor = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
            states, weight, labels[labels.ne(IGNORED)], chunk_rows, product_type, torch.is_grad_enabled()
        )
    return loss


def row_losses(model: T5ForConditionalGeneration, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the mean cross entropy of each row's target tokens, in nats per token; shape (rows,), no gradients.

    `inputs`: as for `summed_loss`.
    """
    with torch.no_grad():
        labels = inputs["labels"]
        states, real = _target_states(model, inputs), labels.ne(IGNORED)
        targets = labels[real]
        losses = torch.zeros(labels.shape, device=labels.device)
        of_targets = torch.empty(len(targets), device=labels.device)
        chunk_rows = max(1, ROW_LOSSES_CHUNK_LOGITS // model.lm_head.weight.shape[0])
        for first in range(0, len(states), chunk_rows):
            chunk = slice(first, first + chunk_rows)
            logits = model.lm_head(states[chunk]).float()
            of_targets[chunk] = torch.nn.functional.cross_entropy(logits, targets[chunk], reduction="none")
        losses[real] = of_targets
        return losses.sum(dim=1) / real.sum(dim=1)


def _target_states(model: T5ForConditionalGeneration, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the input of the output head at each real target token, shape (target tokens, width)."""
    labels, mask = inputs["labels"], inputs["attention_mask"]
    encoded = model.encoder(input_ids=inputs["input_ids"], attention_mask=mask).last_hidden_state
    decoded = model.decoder(
        input_ids=model.prepare_decoder_input_ids_from_labels(labels),
        encoder_hidden_states=encoded,
        encoder_attention_mask=mask,
        use_cache=False,
    ).last_hidden_state
    states: torch.Tensor = decoded[labels.ne(IGNORED)]
    return states if has_own_head(model.config) else states * model.model_dim**-0.5


class _ChunkedCrossEntropy(torch.autograd.Function):
    """The summed cross entropy of `states @ weight.T`, whose gradient is computed in the forward pass.

    d loss / d logits = softmax - one hot, computed for each chunk while its logits are in the cache.
    """

    @staticmethod
    def forward(
        context: Any,
        states: torch.Tensor,
        weight: torch.Tensor,
        targets: torch.Tensor,
        chunk_rows: int,
        product_type: torch.dtype,
        is_grad_enabled: bool,
    ) -> torch.Tensor:
        """Return the loss. Shapes: `states` (tokens, width), `weight` (vocabulary, width), `targets` (tokens,).

        `is_grad_enabled`: of the caller; here gradients are always off, and `needs_input_grad` says only what weights require.
        """
        needs_gradients = is_grad_enabled and any(context.needs_input_grad)
        states_gradient = torch.empty_like(states) if needs_gradients else None
        weight_gradient = torch.zeros_like(weight) if needs_gradients else None
        cast_states, cast_weight = states.to(product_type), weight.to(product_type)
        total = torch.zeros((), dtype=torch.float32, device=states.device)
        for first in range(0, len(states), chunk_rows):
            chunk = slice(first, first + chunk_rows)
            logits = (cast_states[chunk] @ cast_weight.T).float()
            target = targets[chunk].unsqueeze(1)
            log_sum = logits.logsumexp(dim=1, keepdim=True)
            total += (log_sum - logits.gather(1, target)).sum()
            if states_gradient is None or weight_gradient is None:
                continue
            gradient = logits.sub_(log_sum).exp_()
            gradient.scatter_(1, target, gradient.gather(1, target) - 1)
            gradient = gradient.to(product_type)
            states_gradient[chunk] = gradient @ cast_weight
            if product_type == weight.dtype:
                weight_gradient.addmm_(gradient.T, cast_states[chunk])
            else:
                weight_gradient += gradient.T @ cast_states[chunk]
        if states_gradient is not None and weight_gradient is not None:
            context.save_for_backward(states_gradient, weight_gradient)
        return total

    @staticmethod
    def backward(context: Any, *outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of `states` and `weight`; the other inputs have none."""
        states_gradient, weight_gradient = context.saved_tensors
        return states_gradient * outer[0].to(states_gradient.dtype), weight_gradient * outer[0], None, None, None, None
