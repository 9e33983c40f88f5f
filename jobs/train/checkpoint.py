"""Save and restore the checkpoint of a shard: weights, optimizer state, random states and progress.

    runs/RUN/shard-00007/state/step-000400/  manifest.json  model.safetensors  optimizer.safetensors
                                             random.safetensors  random.json  progress.json

A checkpoint is an artifact: its manifest is written last, and its files are verified when they are read. At most one is kept.
After a restore, the next step equals, bit for bit on one machine, that of a run that was not interrupted.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from jobs.process import folders, log
from jobs.process.errors import InputError, NotReadyError
from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact, DamagedFile, Draft, Spec
from jobs.storage.layout import Kind
from jobs.train.checkpoint_location import CheckpointLocation

MODEL_FILE, OPTIMIZER_FILE = "model.safetensors", "optimizer.safetensors"
TORCH_RANDOM_FILE, RANDOM_FILE, PROGRESS_FILE = "random.safetensors", "random.json", "progress.json"


@dataclass
class Progress:
    """The progress of the training of a shard. `step`: optimizer steps done.

    `loss_sum`: loss over all target tokens of the current epoch so far, in nats. `epoch_seconds`: training time in the current
    epoch. `records`: one per finished epoch, as in metrics.jsonl. `seconds`: total time. The names of the fields are persisted.
    """

    step: int = 0
    loss_sum: float = 0.0
    epoch_seconds: float = 0.0
    seconds: float = 0.0
    records: list[dict[str, Any]] = field(default_factory=list)


def save(
    location: CheckpointLocation, progress: Progress, model: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Store a checkpoint, then remove the older ones. A newer one, of a concurrent writer, is kept."""
    path = location.at(progress.step)
    spec = Spec(location.store, path, Kind.CHECKPOINT, location.config, location.inputs)
    with folders.temporary_folder() as work:
        _write(work, progress, model, optimizer)

        def add_files(draft: Draft) -> dict[str, int]:
            draft.add_folder(work)
            return {"step": progress.step}

        try:
            _make(spec, add_files)
        except NotReadyError:
            # A concurrent writer that committed this step first may have removed its checkpoint before we read it.
            is_newest = all(layout.checkpoint_step(other) <= progress.step for other in location.paths())
            if is_newest and not _is_finished(location):
                raise
    for other in location.paths():
        if layout.checkpoint_step(other) < progress.step:
            artifact.remove(location.store, other)


def _make(spec: Spec, add_files: Callable[[Draft], Mapping[str, int]]) -> None:
    """Make a checkpoint, also in place of one whose manifest cannot be read."""
    try:
        artifact.make_once(spec, add_files, replace_outdated=True)
    except InputError as error:
        log.warning(f"checkpoint removed: {error}")
        artifact.remove(spec.store, spec.path)
        artifact.make_once(spec, add_files, replace_outdated=True)


def _is_finished(location: CheckpointLocation) -> bool:
    return artifact.find(location.store, location.path) is not None


def restore(
    location: CheckpointLocation, model: torch.nn.Module, optimizer: torch.optim.Optimizer, folder: Path
) -> Progress | None:
    """Load the newest valid checkpoint into `model` and `optimizer`. Returns its progress, or None if there is none.

    Its files are left in `folder`: `restore_random(folder)` sets the random states just before the next step. An incomplete
    checkpoint, and one whose manifest cannot be read, is skipped. One that is damaged, or of another config or other inputs, is
    removed with a warning.
    """
    for path in reversed(location.paths()):
        try:
            checkpoint = artifact.find(location.store, path)
        except InputError as error:
            log.warning(f"checkpoint skipped: {error}")
            continue
        if checkpoint is not None and _fetch(checkpoint, location, folder):
            return _read(folder, model, optimizer)
    return None


def _fetch(checkpoint: Artifact, location: CheckpointLocation, folder: Path) -> bool:
    """Download a checkpoint and return True; if it cannot be used, remove it and return False."""
    config, inputs = dict(checkpoint.manifest.settings), dict(checkpoint.manifest.inputs)
    try:
        if config == dict(location.config) and inputs == dict(location.inputs):
            checkpoint.fetch_all(folder)
            return True
        log.warning("checkpoint of another config or parent removed", checkpoint=checkpoint.url)
    except DamagedFile as error:
        log.warning(f"damaged checkpoint removed: {error}")
    artifact.remove(location.store, checkpoint.path)
    return False


def restore_random(folder: Path) -> None:
    """Set the random states of torch (CPU and GPU), numpy and Python to those of the checkpoint in `folder`."""
    torch_states = load_file(folder / TORCH_RANDOM_FILE)
    torch.set_rng_state(torch_states["cpu"])
    if torch.cuda.is_available() and "cuda" in torch_states:
        torch.cuda.set_rng_state(torch_states["cuda"])
    states = json.loads((folder / RANDOM_FILE).read_text())
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    numpy_state = states["numpy"]
    numpy_state["state"]["key"] = np.array(numpy_state["state"]["key"], dtype=np.uint32)
    np.random.set_state(numpy_state)


def _write(folder: Path, progress: Progress, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    weights = {name: weight.detach().contiguous() for name, weight in model.named_parameters()}
    save_file(weights, folder / MODEL_FILE)
    moments = {
        f"{name}/{key}": value.detach().contiguous()
        for name, weight in model.named_parameters()
        for key, value in optimizer.state.get(weight, {}).items()
    }
    save_file(moments, folder / OPTIMIZER_FILE)
    torch_states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        torch_states["cuda"] = torch.cuda.get_rng_state()
    save_file(torch_states, folder / TORCH_RANDOM_FILE)
    numpy_state: Any = np.random.get_state(legacy=False)
    numpy_state["state"]["key"] = numpy_state["state"]["key"].tolist()
    (folder / RANDOM_FILE).write_text(json.dumps({"python": random.getstate(), "numpy": numpy_state}))
    (folder / PROGRESS_FILE).write_text(json.dumps(asdict(progress)))


def _read(folder: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    weights, moments = load_file(folder / MODEL_FILE), load_file(folder / OPTIMIZER_FILE)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in parameters.items():
            weight.copy_(weights[name])
    for key, value in moments.items():
        name, moment = key.rsplit("/", 1)
        # AdamW keeps its step count on the CPU, unless it is fused
        on_device = moment != "step" or optimizer.defaults.get("fused")
        optimizer.state[parameters[name]][moment] = value.to(parameters[name].device) if on_device else value
    return Progress(**json.loads((folder / PROGRESS_FILE).read_text()))
