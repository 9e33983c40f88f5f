"""How a shard is trained, by name.

`reference` does what the notebooks did: 8 rows a batch, padded to the longest. `fast` sees the same rows as often and cuts
them at the same lengths, but fills its batches by tokens and computes no more than the loss needs.
"""

from dataclasses import dataclass
from typing import Literal

RecipeName = Literal["fast", "reference"]


@dataclass(frozen=True)
class Recipe:
    """Every choice that decides the trained weights, but the seed.

    `batch_rows`: rows per batch; 0 where `target_tokens_per_batch` fills the batches instead.
    `target_tokens_per_batch`: at most so many target tokens, padding counted, and as many source tokens.
    `window_rows`: so many rows, in seeded order, are sorted by length before they are cut into batches.
    `gradient_accumulation`: batches per optimizer step. `warmup`: share of all steps over which the learning rate rises;
    it falls to 0 in a line after that.
    `lean_loss`: compute the logits of real target tokens alone, a chunk at a time. `fused_adamw`: torch's one-kernel AdamW.
    """

    name: str
    epochs: int
    learning_rate: float
    weight_decay: float
    warmup: float
    batch_rows: int
    target_tokens_per_batch: int
    window_rows: int
    gradient_accumulation: int
    max_source_tokens: int
    max_target_tokens: int
    max_gradient_norm: float
    lean_loss: bool
    fused_adamw: bool


REFERENCE = Recipe(
    name="reference",
    epochs=3,
    learning_rate=1e-4,
    weight_decay=0.01,
    warmup=0.0,
    batch_rows=8,
    target_tokens_per_batch=0,
    window_rows=0,
    gradient_accumulation=1,
    max_source_tokens=128,
    max_target_tokens=512,
    max_gradient_norm=1.0,
    lean_loss=False,
    fused_adamw=False,
)

FAST = Recipe(
    name="fast",
    epochs=3,
    learning_rate=3e-4,
    weight_decay=0.01,
    warmup=0.02,
    batch_rows=0,
    target_tokens_per_batch=4096,
    window_rows=2048,
    gradient_accumulation=1,
    max_source_tokens=128,
    max_target_tokens=512,
    max_gradient_norm=1.0,
    lean_loss=True,
    fused_adamw=True,
)


def by_name(name: RecipeName) -> Recipe:
    """The recipe of this name, as it comes."""
    return FAST if name == "fast" else REFERENCE
