"""`Seq2SeqTrainer`, as it is used here, computes the same as a plain training loop."""

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from jobs.process.errors import NotReadyError
from jobs.process.lifecycle import Stop
from jobs.storage.store import Store
from jobs.t5.batches import collate
from jobs.train import time_estimate
from jobs.train.batches import batch_schedule, lengths_of
from jobs.train.checkpoint import Progress
from jobs.train.checkpoint_location import CheckpointLocation
from jobs.train.device import TrainingDevice
from jobs.train.optimizer import adamw, learning_rate_schedule
from jobs.train.recipes import FAST, REFERENCE, Recipe
from jobs.train.shard_training import ShardTraining
from jobs.train.trainer import train

pytestmark = pytest.mark.slow

TINY: dict[str, Any] = {
    "vocab_size": 64, "d_model": 32, "d_kv": 16, "num_heads": 2, "d_ff": 64, "num_layers": 1, "decoder_start_token_id": 0,
    "dropout_rate": 0.0,
}  # fmt: skip
RECIPES = (
    replace(FAST, epochs=2, target_tokens_per_batch=64, learning_rate=1e-2, gradient_accumulation=2),
    replace(REFERENCE, epochs=2, learning_rate=1e-2, batch_rows=3, gradient_accumulation=2),
)


@pytest.fixture
def examples() -> datasets.Dataset:
    draw = torch.Generator().manual_seed(1)

    def tokens(count: int) -> list[int]:
        return [*torch.randint(3, 64, (count,), generator=draw).tolist(), 1]

    return datasets.Dataset.from_dict(
        {"input_ids": [tokens(3 + row % 5) for row in range(30)], "labels": [tokens(2 + row % 7) for row in range(30)]}
    )


def new_model() -> T5ForConditionalGeneration:
    torch.manual_seed(7)
    return T5ForConditionalGeneration(T5Config(**TINY))


def shard_training(examples: datasets.Dataset, recipe: Recipe, store: Store) -> ShardTraining:
    lengths = lengths_of(examples)
    return ShardTraining(
        shard=0,
        examples=examples,
        lengths=lengths,
        schedule=batch_schedule(lengths, recipe, seed=3),
        recipe=recipe,
        seed=3,
        device=TrainingDevice("cpu", None, bf16=False),
        location=CheckpointLocation(store, "runs/main/shard-00000", {}, {}),
        save_every_seconds=1000,
    )


def no_evaluation(epoch: int, progress: Progress, safe_point: Any) -> dict[str, Any]:
    return {"loss_sum": progress.loss_sum}


def train_plainly(model: Any, examples: datasets.Dataset, recipe: Recipe) -> list[float]:
    """Train with the loss of transformers in a plain loop. Returns the loss of each epoch, summed over its target tokens."""
    schedule = batch_schedule(lengths_of(examples), recipe, seed=3)
    optimizer = adamw(model, recipe)
    rates = learning_rate_schedule(optimizer, recipe, len(schedule.steps), done=0)
    losses = [0.0]
    for number, step in enumerate(schedule.steps, 1):
        tensors = [collate([examples[row] for row in rows.tolist()]) for rows in step]
        step_tokens = sum(int(batch["labels"].ne(-100).sum()) for batch in tensors)
        for batch in tensors:
            loss = model(**batch).loss * batch["labels"].ne(-100).sum()
            (loss / step_tokens).backward()
            losses[-1] += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.max_gradient_norm)
        optimizer.step()
        rates.step()
        optimizer.zero_grad()
        if number in schedule.epoch_ends:
            losses.append(0.0)
    return losses[:-1]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_it_ends_with_the_weights_of_a_plain_training_loop(
    recipe: Recipe, examples: datasets.Dataset, store: Store, tmp_path: Path
) -> None:
    expected, model = new_model(), new_model()
    expected_losses = train_plainly(expected, examples, recipe)
    training = shard_training(examples, recipe, store)
    progress = train(training, model, no_evaluation, Stop(), tmp_path)
    assert progress.step == len(training.schedule.steps)
    assert [record["loss_sum"] for record in progress.records] == pytest.approx(expected_losses, rel=1e-3)
    before = new_model().state_dict()
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(weight, expected.state_dict()[name], rtol=1e-2, atol=2e-3)
    moved = [(weight - before[name]).abs().max().item() for name, weight in model.state_dict().items()]
    assert min(moved) > 1e-2  # far more than the tolerance above


def test_a_training_without_progress_saves_a_checkpoint_and_is_retried(
    examples: datasets.Dataset, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop, training = Stop(), replace(shard_training(examples, RECIPES[0], store), stall_seconds=5)
    location = training.location

    def hang(epoch: int, progress: Progress, safe_point: Any) -> dict[str, Any]:
        pause = threading.Event()
        while not stop.requested:
            pause.wait(0.01)
        safe_point()
        raise AssertionError("the safe point raises")

    with pytest.raises(NotReadyError, match="no progress in the training of shard 0"):
        train(training, new_model(), hang, stop, tmp_path)
    assert location.paths() == [location.at(training.schedule.epoch_ends[0])]
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [first] = [event for event in events if event["event"] == "first step finished"]
    assert first["estimated_seconds"] >= 0


def test_the_time_is_estimated_on_a_gpu_of_known_speed(examples: datasets.Dataset, store: Store) -> None:
    training = replace(shard_training(examples, RECIPES[0], store), recipe=replace(RECIPES[0], epochs=1_000_000_000))
    model = T5ForConditionalGeneration(T5Config(**TINY))

    def estimated(gpu: str | None, done: int = 0) -> int | None:
        on_gpu = replace(training, device=TrainingDevice("cuda", gpu, bf16=True))
        return time_estimate.from_operations(on_gpu, model, done)

    assert (estimated(None), estimated("NVIDIA GeForce")) == (None, None)
    on_l4 = estimated("NVIDIA L4")
    assert on_l4
    assert on_l4 == pytest.approx(2 * (estimated("NVIDIA L4", len(training.schedule.steps) // 2) or 0), rel=0.2)


def test_no_step_is_estimated_faster_than_its_operations_are_launched(examples: datasets.Dataset, store: Store) -> None:
    training = shard_training(examples, replace(RECIPES[0], epochs=1), store)
    steps = training.schedule.steps * 1000
    training = replace(
        training,
        schedule=replace(training.schedule, steps=steps),
        device=TrainingDevice("cuda", "NVIDIA H100 80GB HBM3", bf16=True),
    )
    model = T5ForConditionalGeneration(T5Config(**TINY))
    layers = len(model.encoder.block) + len(model.decoder.block)
    launching = sum(map(len, steps)) * layers * time_estimate.LAUNCH_SECONDS_PER_LAYER
    assert time_estimate.from_operations(training, model, 0) == round(launching)


def test_the_learning_rate_rises_to_its_peak_and_falls_to_0() -> None:
    recipe = replace(FAST, learning_rate=1.0, warmup=0.2)
    model = torch.nn.Linear(2, 2)

    def rates(done: int) -> list[float]:
        optimizer = adamw(model, recipe)
        schedule = learning_rate_schedule(optimizer, recipe, 10, done)
        seen = []
        for _ in range(10 - done):
            seen.append(float(schedule.get_last_lr()[0]))
            optimizer.step()
            schedule.step()
        return seen

    assert rates(0) == pytest.approx([1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    assert rates(6) == pytest.approx(rates(0)[6:])
