"""What a training run needs to go on where it was: weights, optimizer moments, random states, place and sums.

    runs/RUN/shard-00007/state/step-000400/  manifest.json  model.safetensors  optimizer.safetensors
                                             random.safetensors  random.json  progress.json

Each state is an artifact: its manifest is written last, and it is verified when read. At most one is kept; the manifest
of an older one goes first. Restored, the next step equals, bit for bit on one machine, that of a run that never stopped.
"""

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.process import folders, log
from jobs.process.errors import InputError, NotReadyError
from jobs.storage import artifact
from jobs.storage.artifact import DamagedFile
from jobs.storage.store import Store

if TYPE_CHECKING:
    import torch

KIND = "training-state"


@dataclass
class Progress:
    """How far a shard is. `step`: optimizer steps done. The sums are those of the epoch under way.

    `loss_sum`: nats over all target tokens of the epoch so far. `epoch_seconds`: spent training in it. `records`: one per
    finished epoch, as metrics.jsonl has them. `seconds`: spent on the shard in all.
    """

    step: int = 0
    loss_sum: float = 0.0
    epoch_seconds: float = 0.0
    seconds: float = 0.0
    records: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where the states of one shard live, and what they are states of."""

    store: Store
    path: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]

    def at(self, step: int) -> str:
        """The folder of the state after so many steps."""
        return f"{self.path}/state/step-{step:06d}"

    def names(self) -> list[str]:
        """The folders of states, whole or not, in order. A folder is its objects: some servers list emptied ones."""
        prefix = f"{self.path}/state/"
        return sorted({item.key.removeprefix(prefix).split("/")[0] for item in self.store.objects(prefix)})


def save(place: Place, progress: Progress, model: "torch.nn.Module", optimizer: "torch.optim.Optimizer") -> None:
    """Store the state after `progress.step` steps, then remove the older ones. A twin's newer state is left alone."""
    path = place.at(progress.step)
    newest = path.rsplit("/", 1)[1]
    with folders.temporary_folder() as work:
        _write(work, progress, model, optimizer)
        try:
            with artifact.draft(place.store, path, KIND, place.settings, place.inputs) as draft:
                draft.add_folder(work)
                draft.commit({"step": progress.step})
        except NotReadyError:
            # A twin that was first with this step may have gone on and removed its state before we could look at it.
            if not any(name > newest for name in place.names()) and not _finished(place):
                raise
    for name in place.names():
        if name < newest:
            artifact.remove(place.store, f"{place.path}/state/{name}")


def _finished(place: Place) -> bool:
    return artifact.find(place.store, place.path) is not None


def restore(
    place: Place, model: "torch.nn.Module", optimizer: "torch.optim.Optimizer", folder: Path
) -> Progress | None:
    """Load the newest whole state into `model` and `optimizer`; None where there is none to go on from.

    The random states are not set yet: `restore_random(folder)` does that just before the next step. A state that is not
    whole is passed over; one of other settings or inputs is too, with a warning, and is removed.
    """
    for name in reversed(place.names()):
        path = f"{place.path}/state/{name}"
        try:
            found = artifact.find(place.store, path)
        except InputError as error:
            log.warning(f"a saved state is passed over: {error}")
            continue
        if found is None:
            continue
        if dict(found.manifest.settings) != dict(place.settings) or dict(found.manifest.inputs) != dict(place.inputs):
            log.warning(f"the state at {place.store.at(path)} is of other settings or another parent: it is removed")
            artifact.remove(place.store, path)
            continue
        try:
            found.fetch_all(folder)
        except DamagedFile as error:
            log.warning(f"a saved state is damaged and is removed: {error}")
            artifact.remove(place.store, path)
            continue
        return _read(folder, model, optimizer)
    return None


def remove_all(place: Place) -> None:
    """Remove every state, each one's manifest first."""
    for name in place.names():
        artifact.remove(place.store, f"{place.path}/state/{name}")


def restore_random(folder: Path) -> None:
    """Set the random states of torch (CPU and GPU), numpy and Python to those saved."""
    import numpy as np
    import torch
    from safetensors.torch import load_file

    saved = load_file(folder / "random.safetensors")
    torch.set_rng_state(saved["cpu"])
    if torch.cuda.is_available() and "cuda" in saved:
        torch.cuda.set_rng_state(saved["cuda"])
    others = json.loads((folder / "random.json").read_text())
    version, words, gauss = others["python"]
    random.setstate((version, tuple(words), gauss))
    numpy_state = others["numpy"]
    numpy_state["state"]["key"] = np.array(numpy_state["state"]["key"], dtype=np.uint32)
    np.random.set_state(numpy_state)


def _write(folder: Path, progress: Progress, model: "torch.nn.Module", optimizer: "torch.optim.Optimizer") -> None:
    import numpy as np
    import torch
    from safetensors.torch import save_file

    weights = {name: weight.detach().contiguous() for name, weight in model.named_parameters()}
    save_file(weights, folder / "model.safetensors")
    moments = {
        f"{name}/{key}": value.detach().contiguous()
        for name, weight in model.named_parameters()
        for key, value in optimizer.state.get(weight, {}).items()
    }
    save_file(moments, folder / "optimizer.safetensors")
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    save_file(states, folder / "random.safetensors")
    numpy_state: Any = np.random.get_state(legacy=False)
    numpy_state["state"]["key"] = numpy_state["state"]["key"].tolist()
    (folder / "random.json").write_text(json.dumps({"python": random.getstate(), "numpy": numpy_state}))
    (folder / "progress.json").write_text(json.dumps(asdict(progress)))


def _read(folder: Path, model: "torch.nn.Module", optimizer: "torch.optim.Optimizer") -> Progress:
    import torch
    from safetensors.torch import load_file

    weights, moments = load_file(folder / "model.safetensors"), load_file(folder / "optimizer.safetensors")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(weights[name])
    parameters = dict(model.named_parameters())
    for key, value in moments.items():
        name, moment = key.rsplit("/", 1)
        # AdamW counts steps on the CPU unless it is fused: then the count lives beside the weights
        beside = moment != "step" or optimizer.defaults.get("fused")
        optimizer.state[parameters[name]][moment] = value.to(parameters[name].device) if beside else value
    return Progress(**json.loads((folder / "progress.json").read_text()))
