"""The merge of the models of a round: the outer step of DiLoCo (arXiv 2311.08105). Importing this module loads torch.

The outer gradient is the difference between the model that the round began with and the mean of the models that it trained, weighted
by their training rows. The outer optimizer is SGD with Nesterov momentum. The paper's inner optimizer keeps its state from round to
round; here each shard begins with a new one, as in a chain, and a round has as many steps as a shard. With the
paper's momentum, 0.9, the loss on held-out products was 1.5 to 2.6 % higher after 2 and 8 rounds than with 0.5, which is the default
(`tests/bench/bench_rounds.py`).
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import T5ForConditionalGeneration

from jobs.process import log
from jobs.storage import runs
from jobs.storage.artifact import Artifact, Draft
from jobs.storage.layout import MODEL_CARD_FILE, MODEL_PREFIX, MOMENTUM_FILE, Kind
from jobs.t5 import models
from jobs.train import model_card
from jobs.train.training_run import TrainingRun

_MOMENTUM = "momentum_buffer"
"""The name of the momentum in the state of `torch.optim.SGD`."""


def merge(
    draft: Draft, run: TrainingRun, shards: Sequence[int], trained: Sequence[Artifact], parent: Artifact, work: Path
) -> Mapping[str, Any]:
    """Add the merged model and its momentum to `draft`. Returns its figures.

    `trained`: the artifacts of the shards; `parent`: the model that they were trained from. `work` is a folder for temporary files.
    At most two models are on the disk at the same time, and four in memory.
    """
    with log.timed("models merged", shards=", ".join(map(str, shards)), parent=parent.url) as fields:
        parent_folder = runs.fetch_model(parent, work / "parent")
        model = models.load(parent_folder)
        rows = [int(artifact.manifest.figures["train_rows"]) for artifact in trained]
        for artifact, weight in zip(trained, rows, strict=True):
            _add_gradient(model, artifact, weight / sum(rows), work / "trained")
        optimizer = torch.optim.SGD(
            model.parameters(), lr=run.outer.learning_rate, momentum=run.outer.momentum, nesterov=run.outer.momentum > 0
        )
        norm = float(
            torch.nn.utils.get_total_norm(
                [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
            )
        )
        if parent.manifest.kind == Kind.MERGED_MODEL and run.outer.momentum:
            _restore_momentum(model, optimizer, parent.fetch(MOMENTUM_FILE, work))
        optimizer.step()
        fields["outer_gradient_norm"] = round(norm, 4)
    folder = work / "merged"
    models.save(model, folder, parent_folder)
    models.load(folder)  # saving can lose the output head
    (folder / MODEL_CARD_FILE).write_text(
        model_card.merged_card(
            run=run.name,
            shards=shards,
            inputs=draft.inputs,
            source=run.base_model_source,
            hyperparameters=run.hyperparameters,
        )
    )
    draft.add_folder(folder, MODEL_PREFIX)
    if run.outer.momentum:
        momentum = {name: optimizer.state[parameter][_MOMENTUM] for name, parameter in model.named_parameters()}
        save_file(momentum, work / MOMENTUM_FILE)
        draft.add(MOMENTUM_FILE, work / MOMENTUM_FILE)
    return {"merged_shards": len(shards), "train_rows": sum(rows), "outer_gradient_norm": round(norm, 6)}


def _add_gradient(model: T5ForConditionalGeneration, trained: Artifact, weight: float, work: Path) -> None:
    """Add `weight` times the difference between the weights of a model and those of a trained one to the model's gradients."""
    other = dict(models.load(runs.fetch_model(trained, work)).named_parameters())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            difference = (parameter - other[name]) * weight
            parameter.grad = difference if parameter.grad is None else parameter.grad.add_(difference)
    shutil.rmtree(work)


def _restore_momentum(model: T5ForConditionalGeneration, optimizer: torch.optim.Optimizer, path: Path) -> None:
    momentum = load_file(path)
    for name, parameter in model.named_parameters():
        optimizer.state[parameter][_MOMENTUM] = momentum[name]
