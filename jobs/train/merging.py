"""The merge of the models of a round: the outer step of DiLoCo (arXiv 2311.08105). Importing this module loads torch.

The outer gradient is the difference between the model that the round began with and the mean of the models that it trained, weighted
by their training rows. The outer optimizer is SGD with Nesterov momentum. The paper's inner optimizer keeps its state from round to
round; here each shard begins with a new one, as in a chain, and a round has as many steps as a shard. With the
paper's momentum, 0.9, the loss on held-out products was 1.5 to 2.6 % higher after 2 and 8 rounds than with 0.5, which is the default
(`tests/bench/bench_rounds.py`).
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import T5ForConditionalGeneration

from jobs.process import lifecycle, log
from jobs.storage import runs
from jobs.storage.artifact import Artifact, Draft
from jobs.storage.layout import MODEL_CARD_FILE, MODEL_PREFIX, MOMENTUM_FILE, Kind
from jobs.t5 import models
from jobs.train import model_card
from jobs.train.training_run import RoundsConfig, TrainingRun

_MOMENTUM = "momentum_buffer"
"""The name of the momentum in the state of `torch.optim.SGD`."""


def merge(
    draft: Draft, run: TrainingRun, trained: Mapping[int, Artifact], parent: Artifact, work: Path
) -> Mapping[str, Any]:
    """Add the merged model and its momentum to `draft`. Returns its figures.

    `trained`: the artifacts by shard, in order; `parent`: the model that they were trained from. `work`: for temporary files. At most
    three models, and files of as many, are in memory and on the disk at the same time. Errors: `Interrupted` between two models.
    """
    rows = [int(shard.manifest.figures["train_rows"]) for shard in trained.values()]
    with log.timed("models merged", shards=", ".join(map(str, trained)), parent=parent.url) as fields:
        parent_folder = runs.fetch_model(parent, work / "parent")
        model = models.load(parent_folder)
        with lifecycle.deferred() as stop:
            for shard, weight in zip(trained.values(), rows, strict=True):
                stop.check()
                _add_gradient(model, shard, weight / sum(rows), work / "trained")
            stop.check()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients))
        del gradients
        has_momentum = parent.manifest.kind == Kind.MERGED_MODEL and run.rounds.outer_momentum > 0
        before = load_file(parent.fetch(MOMENTUM_FILE, work / "before")) if has_momentum else {}
        momentum = _outer_step(model, run.rounds, before)
        fields["outer_gradient_norm"] = round(norm, 4)
    if momentum:
        save_file(momentum, work / MOMENTUM_FILE)
        draft.add(MOMENTUM_FILE, work / MOMENTUM_FILE)
    del momentum, before
    folder = work / "merged"
    models.save(model, folder, parent_folder)
    del model
    models.load(folder)  # saving can lose the output head
    (folder / MODEL_CARD_FILE).write_text(
        model_card.merged_card(
            run=run.name,
            shards=list(trained),
            inputs=draft.inputs,
            source=run.base_model_source,
            hyperparameters=run.hyperparameters,
        )
    )
    draft.add_folder(folder, MODEL_PREFIX)
    return {"merged_shards": len(trained), "train_rows": sum(rows), "outer_gradient_norm": round(norm, 6)}


def _add_gradient(model: T5ForConditionalGeneration, trained: Artifact, weight: float, work: Path) -> None:
    """Add `weight` times the difference between the weights of a model and those of a trained one to the model's gradients."""
    other = dict(models.load(runs.fetch_model(trained, work)).named_parameters())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            difference = (parameter - other[name]) * weight
            parameter.grad = difference if parameter.grad is None else parameter.grad.add_(difference)
    shutil.rmtree(work)


def _outer_step(
    model: T5ForConditionalGeneration, config: RoundsConfig, before: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Change the weights of a model by a step with its gradients. Returns the momentum by weight, none without momentum.

    `before`: the momentum after the round before. One weight at a time, so that each gradient is freed before the next step.
    """
    after = {}
    for name, parameter in model.named_parameters():
        optimizer = torch.optim.SGD(
            [parameter],
            lr=config.outer_learning_rate,
            momentum=config.outer_momentum,
            nesterov=config.outer_momentum > 0,
        )
        if name in before:
            optimizer.state[parameter][_MOMENTUM] = before[name]
        optimizer.step()
        if config.outer_momentum:
            after[name] = optimizer.state[parameter][_MOMENTUM]
        parameter.grad = None
    return after
