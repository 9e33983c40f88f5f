"""The loss of a T5, computed for real target tokens alone."""

from typing import TYPE_CHECKING

from jobs import models
from jobs.batches import IGNORED

if TYPE_CHECKING:
    import torch
    from transformers import T5ForConditionalGeneration


def summed_loss(model: "T5ForConditionalGeneration", inputs: "dict[str, torch.Tensor]") -> "torch.Tensor":
    """Cross entropy summed over the target tokens, in nats; a scalar. `inputs`: as `batches.collate()` makes them."""
    from torch.nn.functional import cross_entropy

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
    return cross_entropy(model.lm_head(hidden).float(), labels[real], reduction="sum")
