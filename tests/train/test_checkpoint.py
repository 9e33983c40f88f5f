"""A checkpoint restores a training exactly; one that is incomplete, damaged or of another config is not used."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jobs.storage import artifact
from jobs.storage.store import Store
from jobs.train import checkpoint
from jobs.train.checkpoint import Progress
from jobs.train.checkpoint_location import CheckpointLocation, checkpoint_paths, remove_checkpoints


@pytest.fixture
def location(store: Store) -> CheckpointLocation:
    return CheckpointLocation(store, "runs/main/shard-00000", {"recipe": "fast"}, {"parent": "digest"})


def network(seed: int) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """A small network with dropout that has done one step with AdamW."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    step(model, optimizer)
    return model, optimizer


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> float:
    """One step on random input, with random numbers of torch, Python and numpy. Returns its loss."""
    loss = model(torch.randn(3, 4)).square().sum() * random.random() * np.random.random()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def test_the_steps_after_a_restore_equal_those_of_an_uninterrupted_run(
    location: CheckpointLocation, tmp_path: Path
) -> None:
    model, optimizer = network(1)
    before = Progress(3, 0.1 + 0.2, 1.5, 2.5, [{"epoch": 1, "validation_loss": 1 / 3}])
    checkpoint.save(location, before, model, optimizer)
    losses = [step(model, optimizer) for _ in range(3)]

    other, other_optimizer = network(2)
    assert checkpoint.restore(location, other, other_optimizer, tmp_path / "state") == before
    checkpoint.restore_random(tmp_path / "state")
    assert [step(other, other_optimizer) for _ in range(3)] == losses
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), other.parameters(), strict=True))


def test_only_the_newest_checkpoint_is_kept(location: CheckpointLocation, tmp_path: Path) -> None:
    model, optimizer = network(1)
    for done in (1, 2, 9):
        checkpoint.save(location, Progress(step=done), model, optimizer)
        assert location.paths() == [location.at(done)]


def test_a_checkpoint_with_more_digits_is_newer(location: CheckpointLocation, tmp_path: Path) -> None:
    model, optimizer = network(1)
    for done in (999_900, 1_000_000):
        checkpoint.save(location, Progress(step=done), model, optimizer)
    assert location.paths() == [location.at(1_000_000)]
    assert checkpoint.restore(location, model, optimizer, tmp_path) == Progress(step=1_000_000)


def test_the_newer_checkpoint_of_a_concurrent_writer_is_kept_and_restored(
    location: CheckpointLocation, tmp_path: Path
) -> None:
    model, optimizer = network(1)
    for done in (9, 5):
        checkpoint.save(location, Progress(step=done), model, optimizer)
    restored = checkpoint.restore(location, model, optimizer, tmp_path)
    assert restored is not None
    assert restored.step == 9


def test_two_writers_may_save_the_same_step(location: CheckpointLocation, tmp_path: Path) -> None:
    model, optimizer = network(1)
    for _ in range(2):
        checkpoint.save(location, Progress(step=4), model, optimizer)
    assert checkpoint.restore(location, model, optimizer, tmp_path) == Progress(step=4)


def test_a_checkpoint_without_a_manifest_is_skipped(location: CheckpointLocation, tmp_path: Path) -> None:
    model, optimizer = network(1)
    checkpoint.save(location, Progress(step=4), model, optimizer)
    location.store.write(f"{location.at(7)}/attempt-x/model.safetensors", b"half")
    restored = checkpoint.restore(location, model, optimizer, tmp_path)
    assert restored is not None
    assert restored.step == 4


def test_a_checkpoint_with_an_unreadable_manifest_makes_room_for_another_one(
    location: CheckpointLocation, tmp_path: Path
) -> None:
    model, optimizer = network(1)
    checkpoint.save(location, Progress(step=2), model, optimizer)
    location.store.write(f"{location.at(2)}/manifest.json", b'{"kind"')
    assert checkpoint.restore(location, model, optimizer, tmp_path) is None
    checkpoint.save(location, Progress(step=2), model, optimizer)
    assert checkpoint.restore(location, model, optimizer, tmp_path) == Progress(step=2)


def test_removal_leaves_no_object_of_any_checkpoint(location: CheckpointLocation) -> None:
    model, optimizer = network(1)
    checkpoint.save(location, Progress(step=4), model, optimizer)
    location.store.write(f"{location.at(7)}/attempt-x/model.safetensors", b"half")
    assert checkpoint_paths(location.store, location.path) == [location.at(4), location.at(7)]
    remove_checkpoints(location.store, location.path)
    assert not list(location.store.objects(f"{location.path}/"))


def test_a_damaged_checkpoint_is_removed(
    location: CheckpointLocation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, optimizer = network(1)
    checkpoint.save(location, Progress(step=4), model, optimizer)
    stored = artifact.find(location.store, location.at(4))
    assert stored is not None
    location.store.write(f"{stored.path}/{stored.manifest.files['model.safetensors'].key}", b"damaged")
    assert checkpoint.restore(location, model, optimizer, tmp_path) is None
    assert "damaged checkpoint removed" in capsys.readouterr().err
    assert not location.paths()


@pytest.mark.parametrize("changed", [{"config": {"recipe": "reference"}}, {"inputs": {"parent": "another"}}], ids=str)
def test_a_checkpoint_of_another_config_or_parent_is_removed(
    location: CheckpointLocation, tmp_path: Path, changed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    model, optimizer = network(1)
    checkpoint.save(replace(location, **changed), Progress(step=4), model, optimizer)
    assert checkpoint.restore(location, model, optimizer, tmp_path) is None
    assert "checkpoint of another config or parent removed" in capsys.readouterr().err
    assert not location.paths()


def test_without_a_checkpoint_nothing_is_restored(location: CheckpointLocation, tmp_path: Path) -> None:
    model, optimizer = network(1)
    assert checkpoint.restore(location, model, optimizer, tmp_path) is None
