"""The loss of a T5 for less work: logits of real target tokens alone, a chunk at a time, each used while it is in the cache.

A vocabulary of 32,128 makes the logits the largest tensor by far. Plain training writes them, their log-softmax and its
gradient to memory, for padding too. Here the gradient of the loss is formed chunk by chunk in the forward pass, and no more
than one chunk of logits ever exists.
"""

from typing import TYPE_CHECKING, Any

from jobs.t5 import models
from jobs.train.batches import IGNORED

if TYPE_CHECKING:
    import torch
    from transformers import T5ForConditionalGeneration

CHUNK_LOGITS = {"cpu": 2**21, "cuda": 2**27}  # numbers, of 4 bytes: what a CPU's cache holds, and what fills a GPU


def summed_loss(model: "T5ForConditionalGeneration", inputs: "dict[str, torch.Tensor]") -> "torch.Tensor":
    """Cross entropy summed over the target tokens, in nats; a scalar. `inputs`: as `batches.collate()` makes them.

    It equals, up to rounding, the loss that the model itself returns times the number of target tokens. Under autocast the
    matrix products are of its type; the softmax and the sums are float32.
    """
    labels = inputs["labels"]
    real = labels.ne(IGNORED)
    encoded = model.encoder(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).last_hidden_state
    decoded = model.decoder(
        input_ids=model.prepare_decoder_input_ids_from_labels(labels),
        encoder_hidden_states=encoded,
        encoder_attention_mask=inputs["attention_mask"],
        use_cache=False,
    ).last_hidden_state
    hidden = decoded[real]
    if not models.has_own_head(model.config):
        hidden = hidden * model.model_dim**-0.5
    return _cross_entropy(hidden, model.lm_head.weight, labels[real])


def _cross_entropy(hidden: "torch.Tensor", weight: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
    """Summed cross entropy of `hidden @ weight.T`. Shapes: (tokens, width), (vocabulary, width), (tokens,)."""
    import torch

    rows = max(1, CHUNK_LOGITS[hidden.device.type] // weight.shape[0])
    products = (
        torch.get_autocast_dtype(hidden.device.type) if torch.is_autocast_enabled(hidden.device.type) else hidden.dtype
    )

    class Chunked(torch.autograd.Function):
        """d loss / d logits = softmax - one hot, of each chunk as soon as it is there."""

        @staticmethod
        def forward(context: Any, hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            needed = any(context.needs_input_grad)
            of_hidden = torch.empty_like(hidden) if needed else None
            of_weight = torch.zeros_like(weight) if needed else None
            states, table = hidden.to(products), weight.to(products)
            total = torch.zeros((), dtype=torch.float32, device=hidden.device)
            for first in range(0, len(states), rows):
                part = slice(first, first + rows)
                logits = (states[part] @ table.T).float()
                wanted = labels[part].unsqueeze(1)
                ceiling = logits.logsumexp(dim=1, keepdim=True)
                total += (ceiling - logits.gather(1, wanted)).sum()
                if of_hidden is None or of_weight is None:
                    continue
                gradient = logits.sub_(ceiling).exp_()
                gradient.scatter_(1, wanted, gradient.gather(1, wanted) - 1)
                gradient = gradient.to(products)
                of_hidden[part] = gradient @ table
                if products == weight.dtype:
                    of_weight.addmm_(gradient.T, states[part])
                else:
                    of_weight += gradient.T @ states[part]
            if of_hidden is not None and of_weight is not None:
                context.save_for_backward(of_hidden, of_weight)
            return total

        @staticmethod
        def backward(context: Any, *outer: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            of_hidden, of_weight = context.saved_tensors
            return of_hidden * outer[0].to(of_hidden.dtype), of_weight * outer[0]

    with torch.autocast(hidden.device.type, enabled=False):
        loss: torch.Tensor = Chunked.apply(hidden, weight)  # type: ignore[no-untyped-call]
    return loss
