"""What the training of one shard needs."""

from dataclasses import dataclass

import datasets

from jobs.train.batches import BatchSchedule, Lengths
from jobs.train.checkpoint_location import CheckpointLocation
from jobs.train.device import TrainingDevice
from jobs.train.recipes import Recipe


@dataclass(frozen=True, kw_only=True)
class ShardTraining:
    """The training of one shard: its data, hyperparameters and device, and where and how often it saves a checkpoint.

    `examples`: the training rows, as `batches.tokenize()` returns them. `stall_seconds`: the training ends after this time
    without a step; 0 for no limit.
    """

    shard: int
    examples: datasets.Dataset
    lengths: Lengths
    schedule: BatchSchedule
    recipe: Recipe
    seed: int
    device: TrainingDevice
    location: CheckpointLocation
    save_every_seconds: float
    stall_seconds: float = 0.0
