"""Estimate how long the rest of a training takes: on a GPU from its operations, on a CPU from its first step."""

from transformers import T5Config, T5ForConditionalGeneration

from jobs.train import throughput
from jobs.train.batches import BatchSchedule, Lengths
from jobs.train.shard_training import ShardTraining

EXPECTED_UTILISATION = 0.3
"""Model FLOPs utilisation that the estimate assumes."""

LAUNCH_SECONDS_PER_LAYER = 0.005
"""Time to launch the operations of a layer, forward and backward, and its share of the optimizer step. A small batch on a fast
GPU takes no less: 0.12 to 0.15 s per step of FLAN-T5-base's 24 layers, measured on an H100."""


def from_operations(training: ShardTraining, model: T5ForConditionalGeneration, done: int) -> int | None:
    """Return the seconds that the steps after the first `done` take on a GPU of known speed, else None."""
    peak, schedule = throughput.peak_operations(training.device.gpu), training.schedule
    if peak is None:
        return None
    left = 1 - done / max(len(schedule.steps), 1)
    return round(left * of_schedule(schedule, training.lengths, model.config, training.recipe.epochs, peak))


def of_schedule(schedule: BatchSchedule, lengths: Lengths, config: T5Config, epochs: int, peak: float) -> float:
    """Return the seconds that all steps of a schedule take on a GPU with this bfloat16 peak, in operations per second.

    `lengths`: the tokens of the rows that each of its `epochs` has.
    """
    operations = epochs * throughput.training_operations(config, lengths)
    layers = config.num_layers + (config.num_decoder_layers or config.num_layers)
    launching = sum(map(len, schedule.steps)) * layers * LAUNCH_SECONDS_PER_LAYER
    return max(operations / (peak * EXPECTED_UTILISATION), launching)


def from_first_step(training: ShardTraining, step: int, seconds: float) -> int:
    """Return the seconds that the steps after `step` take if each target token takes as long as in `step`, counted from 0.

    `seconds`: the time of `step`.
    """
    tokens = [sum(int(training.lengths.target[rows].sum()) for rows in batches) for batches in training.schedule.steps]
    return round(sum(tokens[step + 1 :]) / max(tokens[step], 1) * seconds)
