"""Train one shard: its rows and the parent model become the files of the trained shard. Importing this module loads torch."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa

from jobs.process import log
from jobs.process.lifecycle import Stop
from jobs.storage import runs
from jobs.storage.artifact import Artifact, Draft
from jobs.storage.columns import number_column
from jobs.storage.layout import COUNTERFACTUALS_FILE, METRICS_FILE, MODEL_CARD_FILE, MODEL_PREFIX
from jobs.storage.parquet import parquet_bytes
from jobs.t5 import models
from jobs.train import model_card, recipes
from jobs.train.batches import ACCUMULATED_SCHEDULE, batch_schedule, lengths_of
from jobs.train.checkpoint_location import CheckpointLocation
from jobs.train.counterfactuals import counterfactual_rows
from jobs.train.device import TrainingDevice, select_device
from jobs.train.epochs import epoch_evaluator
from jobs.train.examples import tokenized_examples
from jobs.train.prompts import prompts, retrieved_neighbours
from jobs.train.shard_training import ShardTraining
from jobs.train.trainer import train
from jobs.train.training_run import RuntimeOptions, TrainingRun
from jobs.train.validation import ValidationRows

COUNTERFACTUAL_SEED = 1
"""Third part of the seed of a shard, so that other rows are drawn than for neighbours."""


def train_shard(
    draft: Draft, run: TrainingRun, shard: int, parent: Artifact, options: RuntimeOptions, stop: Stop, work: Path
) -> Mapping[str, Any]:
    """Add the files and the inputs of a trained shard to `draft`. Returns its figures.

    `work` is a folder for temporary files. A signal ends it between its phases, too. Errors: as `trainer.train()`, and
    `InputError` (65) if the shard has no training rows.
    """
    device = select_device(require_gpu=options.require_gpu)
    log.info("shard started", shard=shard, device=device.name, gpu=device.gpu, **recipes.described(run.recipe))
    with log.timed("rows read", shard=shard) as fields:
        products = run.products.read_shard(shard, work)
        neighbours = _neighbours(run, shard, products, stop)
        fields["rows"] = products.num_rows
    draft.inputs |= {"parent": parent.digest} | ({"neighbours": neighbours.digest} if neighbours else {})
    stop.check()
    rows = _with_counterfactuals(draft, run, shard, products)
    counterfactuals = rows.num_rows - products.num_rows
    stop.check()
    with log.timed("parent model loaded", shard=shard, parent=parent.url) as fields:
        parent_folder = runs.fetch_model(parent, work / "parent")
        model, tokenizer = models.load(parent_folder), models.load_tokenizer(parent_folder)
        models.set_threads(model)
        fields["parameters"] = model.num_parameters()
    stop.check()
    with log.timed("rows tokenized", shard=shard):
        where = f"shard {shard} of catalogue {run.catalogue_name!r}"
        examples = tokenized_examples(rows, prompts(rows, neighbours, work), tokenizer, run.recipe, where=where)
    stop.check()

    training = _shard_training(run, shard, examples.train, device, options, draft.inputs)
    test = ValidationRows(examples.test, examples.test_contents[: run.rouge_rows])
    evaluate = epoch_evaluator(training, model, tokenizer, test)
    progress = train(training, model, evaluate, stop, work)

    trained_folder = work / "trained"
    with log.timed("model saved and loaded again", shard=shard):
        models.save(model.cpu(), trained_folder, parent_folder)
        models.load(trained_folder)  # saving can lose the output head
    (trained_folder / MODEL_CARD_FILE).write_text(_model_card(run, shard, draft.inputs, progress.records))
    draft.add_folder(trained_folder, MODEL_PREFIX)
    draft.add_bytes(METRICS_FILE, _json_lines(progress.records), measured=True)
    return progress.records[-1] | {
        "train_rows": examples.train.num_rows - counterfactuals,
        "test_rows": examples.test.num_rows,
        "epochs": run.recipe.epochs,
        "gpu": device.gpu,
        "seconds": progress.seconds,
        **({"counterfactual_rows": counterfactuals} if run.counterfactual_share else {}),
    }


def _neighbours(run: TrainingRun, shard: int, products: pa.Table, stop: Stop) -> Artifact | None:
    if run.retrieval is None:
        return None
    return retrieved_neighbours(
        run.store,
        products,
        run.retrieval,
        stop,
        run=run.name,
        shard=shard,
        catalogue=run.catalogue_name,
        catalogue_digest=run.products.digest,
    )


def _with_counterfactuals(draft: Draft, run: TrainingRun, shard: int, products: pa.Table) -> pa.Table:
    """Return the rows to train and to test with: the products, with their position in `row`, then counterfactual rows.

    Adds the counterfactual rows to `draft`, so that people can read what no seller wrote.
    """
    rows = products.select(["title", "content", "split"])
    rows = rows.append_column("row", number_column(np.arange(products.num_rows)))
    if not run.counterfactual_share:
        return rows
    with log.timed("counterfactual rows made", shard=shard) as fields:
        made = counterfactual_rows(rows, run.counterfactual_share, [run.seed, shard, COUNTERFACTUAL_SEED])
        fields["rows"] = made.num_rows
    if not made.num_rows:
        log.warning(
            "no counterfactual rows: too few titles of this shard differ in one fact that their descriptions repeat",
            shard=shard,
        )
    draft.add_bytes(COUNTERFACTUALS_FILE, parquet_bytes(made.select(["row", "title", "content"])))
    return pa.concat_tables([rows, made])


def _shard_training(
    run: TrainingRun,
    shard: int,
    examples: datasets.Dataset,
    device: TrainingDevice,
    options: RuntimeOptions,
    inputs: Mapping[str, str],
) -> ShardTraining:
    lengths, spec = lengths_of(examples), run.spec(shard)
    version = {"schedule": ACCUMULATED_SCHEDULE} if run.recipe.gradient_accumulation > 1 else {}
    return ShardTraining(
        shard=shard,
        examples=examples,
        lengths=lengths,
        schedule=batch_schedule(lengths, run.recipe, run.seed),
        recipe=run.recipe,
        seed=run.seed,
        device=device,
        location=CheckpointLocation(run.store, spec.path, {**spec.config, **version}, dict(inputs)),
        save_every_seconds=options.save_every_seconds,
        stall_seconds=options.stall_seconds,
    )


def _model_card(run: TrainingRun, shard: int, inputs: Mapping[str, str], records: Sequence[Mapping[str, Any]]) -> str:
    return model_card.card(
        run=run.name,
        shard=shard,
        shards_at_once=run.rounds.shards_at_once,
        inputs=inputs,
        source=run.base_model_source,
        hyperparameters=run.hyperparameters,
        records=records,
    )


def _json_lines(records: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()
