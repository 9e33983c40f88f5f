"""The optimizer and the learning-rate schedule."""

import torch
from torch.optim.lr_scheduler import LambdaLR

from jobs.train.recipes import Recipe


def adamw(model: torch.nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """Return AdamW (arXiv 1711.05101) with weight decay for matrices, and none for the vectors of the layer norms."""
    weights = list(model.parameters())
    groups = [
        {"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": recipe.weight_decay},
        {"params": [weight for weight in weights if weight.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=recipe.fused_adamw)


def learning_rate_schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int, done: int) -> LambdaLR:
    """Return the schedule after `done` of `steps` steps: a linear warm-up, then a linear decay to 0."""
    warmup_steps = round(steps * recipe.warmup)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        return max(0.0, (steps - step) / max(1, steps - warmup_steps))

    for group in optimizer.param_groups:
        group["initial_lr"] = recipe.learning_rate  # LambdaLR needs it if it does not start at step 0
    return LambdaLR(optimizer, factor, last_epoch=done - 1)
