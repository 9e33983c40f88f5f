import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jobs.storage import artifact
from jobs.storage.store import Store
from jobs.train import checkpoint as training_state
from jobs.train.checkpoint import Place, Progress


@pytest.fixture
def place(store: Store) -> Place:
    return Place(store, "runs/main/shard-00000", {"recipe": "fast"}, {"parent": "digest"})


def network(seed: int):  # type: ignore[no-untyped-def]  # torch is imported late
    """A small network with dropout that has taken one step with AdamW."""
    import torch

    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    step(model, optimizer)
    return model, optimizer


def step(model, optimizer) -> float:  # type: ignore[no-untyped-def]
    """One step on random input; its loss."""
    import torch

    loss = model(torch.randn(3, 4)).square().sum() * random.random() * np.random.random()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def test_the_next_steps_equal_those_of_a_run_that_never_stopped(place: Place, tmp_path: Path) -> None:
    import torch

    model, optimizer = network(1)
    before = Progress(3, 0.1 + 0.2, 1.5, 2.5, [{"epoch": 1, "validation_loss": 1 / 3}])
    training_state.save(place, before, model, optimizer)
    losses = [step(model, optimizer) for _ in range(3)]

    other, other_optimizer = network(2)
    assert training_state.restore(place, other, other_optimizer, tmp_path / "state") == before
    training_state.restore_random(tmp_path / "state")
    assert [step(other, other_optimizer) for _ in range(3)] == losses
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), other.parameters(), strict=True))


def test_at_most_one_state_is_kept_and_a_newer_one_of_a_twin_is_left_alone(place: Place, tmp_path: Path) -> None:
    model, optimizer = network(1)
    for done in (1, 2, 9):
        training_state.save(place, Progress(step=done), model, optimizer)
        assert place.names() == [f"step-{done:06d}"]
    training_state.save(place, Progress(step=5), model, optimizer)
    found = training_state.restore(place, model, optimizer, tmp_path)
    assert found is not None
    assert found.step == 9


def test_a_state_whose_manifest_was_never_written_is_passed_over(place: Place, tmp_path: Path) -> None:
    model, optimizer = network(1)
    training_state.save(place, Progress(step=4), model, optimizer)
    training_state.save(place, Progress(step=4), model, optimizer)  # a twin's, the same step
    place.store.write(f"{place.at(7)}/attempt-x/model.safetensors", b"half")
    found = training_state.restore(place, model, optimizer, tmp_path)
    assert found is not None
    assert found.step == 4
    training_state.remove_all(place)
    assert not list(place.store.objects(f"{place.path}/state/"))


def test_a_damaged_state_is_removed_and_the_shard_begins_anew(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, optimizer = network(1)
    training_state.save(place, Progress(step=4), model, optimizer)
    state = artifact.find(place.store, place.at(4))
    assert state is not None
    place.store.write(f"{state.path}/{state.manifest.files['model.safetensors'].key}", b"damaged")
    assert training_state.restore(place, model, optimizer, tmp_path) is None
    assert "damaged" in capsys.readouterr().err
    assert not place.names()


def test_a_state_of_another_configuration_or_parent_is_removed_with_a_warning(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, optimizer = network(1)
    for other in (replace(place, settings={"recipe": "reference"}), replace(place, inputs={"parent": "another"})):
        training_state.save(other, Progress(step=4), model, optimizer)
        assert training_state.restore(place, model, optimizer, tmp_path) is None
        assert "of other settings or another parent" in capsys.readouterr().err
        assert not place.names()


def test_nothing_to_go_on_from_is_nothing_to_restore(place: Place, tmp_path: Path) -> None:
    model, optimizer = network(1)
    assert training_state.restore(place, model, optimizer, tmp_path) is None
