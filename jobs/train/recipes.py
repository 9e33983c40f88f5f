"""The two recipes: the hyperparameters with which a shard is trained.

`reference` has the hyperparameters of the notebooks that skuscribe replaces. `fast` differs from it in

- its batches, which `target_tokens_per_batch` limits instead of `batch_rows`, with rows sorted by length (`window_rows`),
- a higher `learning_rate`, with a `warmup`,
- the computation of the loss (`lean_loss`), which is the same up to rounding,
- the implementation of AdamW (`fused_adamw`).

All other hyperparameters are the same.
"""

from dataclasses import dataclass
from typing import Literal

RecipeName = Literal["fast", "reference"]


@dataclass(frozen=True)
class Recipe:
    """Everything that determines the trained weights, except the data and the seed.

    `batch_rows`: rows per batch, or 0 if `target_tokens_per_batch` limits the batches.
    `target_tokens_per_batch`: maximum number of target tokens per batch, and of source tokens, padding included.
    `window_rows`: number of shuffled rows that are sorted by length together before they are cut into batches.
    `gradient_accumulation`: batches per optimizer step.
    `warmup`: fraction of all steps with a rising learning rate; it then falls linearly to 0.
    `lean_loss`: compute the loss with `jobs.t5.loss.summed_loss`. `fused_adamw`: use torch's fused AdamW.

    The names of the fields are persisted in manifests and in `run.json`.
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
    """Return the recipe of this name with its own values."""
    return FAST if name == "fast" else REFERENCE


def described(recipe: Recipe) -> dict[str, str | int | float]:
    """Return the fields of a log event about a recipe."""
    batch = f"{recipe.batch_rows} rows" if recipe.batch_rows else f"{recipe.target_tokens_per_batch} target tokens"
    return {
        "recipe": recipe.name,
        "epochs": recipe.epochs,
        "batch": batch,
        "gradient_accumulation": recipe.gradient_accumulation,
        "learning_rate": recipe.learning_rate,
    }
