"""Training of the matcher's network. Importing this module loads torch."""

import numpy as np
import torch

from jobs.quality.matcher import Network, normalized

HIDDEN = 32
LEAST_DEVIATION = 0.01
"""Features that vary less in the catalogue are left out."""

EPOCHS = 60
BATCH_PAIRS = 256
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2


def train(values: np.ndarray, is_own: np.ndarray, weights: np.ndarray, seed: int) -> Network:
    """Return the network trained on features of shape (pairs, features).

    `is_own`: 1 for a seller's own text, else 0. `weights`: of each pair in the loss. The same input gives the same network.
    """
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    scale = np.where(deviation < LEAST_DEVIATION, np.inf, deviation)
    torch.manual_seed(seed)
    hidden, output = torch.nn.Linear(values.shape[1], HIDDEN), torch.nn.Linear(HIDDEN, 1)
    network = torch.nn.Sequential(hidden, torch.nn.ReLU(), output)
    inputs = torch.from_numpy(normalized(values, mean, scale)).float()
    targets, loss_weights = torch.from_numpy(is_own).float(), torch.from_numpy(weights).float()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * -(-len(inputs) // BATCH_PAIRS)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    order = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(len(inputs), generator=order), BATCH_PAIRS):
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                network(inputs[rows])[:, 0], targets[rows], loss_weights[rows]
            )
            optimizer.zero_grad()
            losses.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    arrays = (hidden.weight, hidden.bias, output.weight[0], output.bias)
    return Network(mean, scale, *(array.detach().double().numpy() for array in arrays))


def empty(features: int) -> Network:
    """Return a network that gives every pair the logit 0."""
    zeros = np.zeros(features)
    return Network(zeros, zeros + 1, zeros[None], np.zeros(1), np.zeros(1), np.zeros(1))
