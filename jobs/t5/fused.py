"""The layers of a T5 in fewer operations, to train it on a GPU.

A GPU takes longer to read and write the values between two matrix products than to compute the products. The layers of
transformers write each intermediate value of a norm, of GELU and of the attention scores, most of them in float32. These
layers have the same weights and names, and the same results up to the rounding of bfloat16. They need no kernels but torch's.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface, T5ForConditionalGeneration
from transformers.masking_utils import eager_mask
from transformers.models.t5.modeling_t5 import T5DenseGatedActDense, T5LayerNorm

ATTENTION = "skuscribe_training"


def fuse(model: T5ForConditionalGeneration) -> None:
    """Replace the layers of `model` in place. Its weights remain the same tensors, with the same names."""
    for layer in list(model.modules()):
        for name, part in layer.named_children():
            if isinstance(part, T5LayerNorm):
                setattr(layer, name, Norm(part))
            elif isinstance(part, T5DenseGatedActDense) and model.config.dense_act_fn == "gelu_new":
                setattr(layer, name, GatedFeedForward(part))
    AttentionInterface.register(ATTENTION, attention)
    AttentionMaskInterface.register(ATTENTION, eager_mask)
    model.set_attn_implementation(ATTENTION)


class Norm(nn.RMSNorm):
    """T5's layer norm. Its result has the type of the matrix products that read it, so that it is converted once."""

    def __init__(self, norm: T5LayerNorm) -> None:
        super().__init__(norm.weight.shape, eps=norm.variance_epsilon, device="meta")
        self.weight = norm.weight

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return the normalised states; shape (rows, tokens, width), as `states`."""
        normalised = super().forward(states)
        device = states.device.type
        return normalised.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else normalised


class GatedFeedForward(nn.Module):
    """T5's feed-forward layer with a gated GELU, whose tanh approximation is one operation."""

    def __init__(self, layer: T5DenseGatedActDense) -> None:
        super().__init__()
        self.wi_0, self.wi_1, self.wo, self.dropout = layer.wi_0, layer.wi_1, layer.wo, layer.dropout

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return the output; shape (rows, tokens, width), as `states`."""
        gate = functional.gelu(self.wi_0(states), approximate="tanh")
        output: torch.Tensor = self.wo(self.dropout(gate * self.wi_1(states)))
        return output


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    position_bias: torch.Tensor | None = None,
    **_kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Return the attended values, shape (rows, tokens, heads, width of a head); an attention function of transformers.

    `query`, `key`, `value`: shape (rows, heads, tokens, width of a head). `attention_mask` (0, or the lowest number where a key
    is not to be read) and `position_bias` are added to the scores in place, in the type of the matrix products. T5 does not scale
    the scores.
    """
    with torch.autocast(query.device.type, enabled=False):
        scores = query @ key.transpose(2, 3)
        for added in (position_bias, attention_mask):
            if added is not None:
                scores += added
        weights = functional.dropout(scores.softmax(dim=-1), dropout, module.training)
        return (weights @ value).transpose(1, 2).contiguous(), None
