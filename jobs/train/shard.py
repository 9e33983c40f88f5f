"""Train one shard: its rows and the parent model become the files of the trained shard. Importing this module loads torch."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from transformers import PreTrainedTokenizerFast

from jobs.process import log
from jobs.process.errors import InputError
from jobs.process.lifecycle import Stop
from jobs.storage.artifact import Artifact, Draft, Spec
from jobs.storage.catalogue import TEST, TRAIN
from jobs.storage.columns import number_column
from jobs.storage.layout import COUNTERFACTUALS_FILE, METRICS_FILE, MODEL_CARD_FILE, MODEL_PREFIX
from jobs.storage.parquet import parquet_bytes
from jobs.t5 import models
from jobs.train import model_card, recipes
from jobs.train.batches import ACCUMULATED_SCHEDULE, batch_schedule, lengths_of, tokenize
from jobs.train.chain import Chain
from jobs.train.checkpoint_location import CheckpointLocation
from jobs.train.counterfactuals import counterfactual_rows
from jobs.train.device import select_device
from jobs.train.epochs import epoch_evaluator
from jobs.train.prompts import prompts, retrieved_neighbours
from jobs.train.shard_training import ShardTraining
from jobs.train.trainer import train

COUNTERFACTUAL_SEED = 1
"""Third part of the seed of a shard, so that other rows are drawn than for neighbours."""


def train_shard(
    draft: Draft,
    chain: Chain,
    shard: int,
    parent: Artifact,
    save_every_seconds: float,
    stall_seconds: float,
    require_gpu: bool,
    stop: Stop,
    work: Path,
) -> Mapping[str, Any]:
    """Add the files and the inputs of a trained shard to `draft`. Returns its figures.

    `work` is a folder for temporary files. A signal ends it between its phases, too. Errors: as `trainer.train()`, and
    `InputError` (65) if the shard has no training rows.
    """
    device = select_device(require_gpu=require_gpu)
    log.info("shard started", shard=shard, device=device.name, gpu=device.gpu, **recipes.described(chain.recipe))
    with log.timed("rows read", shard=shard) as fields:
        table = chain.products.read_shard(shard, work)
        neighbours = _neighbours(chain, shard, table, stop)
        fields["rows"] = table.num_rows
    stop.check()
    rows = _rows(draft, chain, shard, table)
    counterfactuals = rows.num_rows - table.num_rows
    draft.inputs |= {"parent": parent.digest} | ({"neighbours": neighbours.digest} if neighbours else {})
    spec = chain.spec(shard)
    stop.check()

    with log.timed("parent model loaded", shard=shard, parent=parent.url) as fields:
        parent_folder = parent.fetch_all(work / "parent", MODEL_PREFIX if shard else "")
        model, tokenizer = models.load(parent_folder), models.load_tokenizer(parent_folder)
        models.set_threads(model)
        fields["parameters"] = model.num_parameters()
    stop.check()
    with log.timed("rows tokenized", shard=shard):
        examples, references = _examples(chain, shard, rows, prompts(rows, neighbours, work), tokenizer)
    stop.check()
    lengths = lengths_of(examples[TRAIN])
    training = ShardTraining(
        shard, examples[TRAIN], lengths, batch_schedule(lengths, chain.recipe, chain.seed), chain.recipe, device, chain.seed,
        CheckpointLocation(chain.store, spec.path, _checkpoint_config(chain, spec), dict(draft.inputs)), save_every_seconds,
        stall_seconds,
    )  # fmt: skip
    evaluate = epoch_evaluator(training, model, tokenizer, examples[TEST], references[TEST][: chain.rouge_rows])
    progress = train(training, model, evaluate, stop, work)

    trained_folder = work / "trained"
    with log.timed("model saved and loaded again", shard=shard):
        models.save(model.cpu(), trained_folder, parent_folder)
        models.load(trained_folder)  # saving can lose the output head
    card = model_card.card(chain.run, shard, draft.inputs, chain.source, chain.hyperparameters, progress.records)
    (trained_folder / MODEL_CARD_FILE).write_text(card)
    draft.add_folder(trained_folder, MODEL_PREFIX)
    draft.add_bytes(METRICS_FILE, _json_lines(progress.records), measured=True)
    return progress.records[-1] | {
        "train_rows": len(references[TRAIN]) - counterfactuals,
        "test_rows": len(references[TEST]),
        "epochs": chain.recipe.epochs,
        "gpu": device.gpu,
        "seconds": progress.seconds,
        **({"counterfactual_rows": counterfactuals} if chain.counterfactual_share else {}),
    }


def _checkpoint_config(chain: Chain, spec: Spec) -> dict[str, Any]:
    version = {"schedule": ACCUMULATED_SCHEDULE} if chain.recipe.gradient_accumulation > 1 else {}
    return {**spec.config, **version}


def _neighbours(chain: Chain, shard: int, table: pa.Table, stop: Stop) -> Artifact | None:
    if chain.retrieval is None:
        return None
    return retrieved_neighbours(
        chain.store, chain.run, shard, chain.catalogue, chain.products.digest, table, chain.retrieval, stop
    )


def _rows(draft: Draft, chain: Chain, shard: int, table: pa.Table) -> pa.Table:
    """Return the rows to train and to test with: those of the shard, with their position in `row`, then counterfactual ones.

    Adds the counterfactual rows to `draft`, so that people can read what no seller wrote.
    """
    rows = table.select(["title", "content", "split"]).append_column("row", number_column(np.arange(table.num_rows)))
    if not chain.counterfactual_share:
        return rows
    with log.timed("counterfactual rows made", shard=shard) as fields:
        made = counterfactual_rows(rows, chain.counterfactual_share, [chain.seed, shard, COUNTERFACTUAL_SEED])
        fields["rows"] = made.num_rows
    if not made.num_rows:
        log.warning(
            "no counterfactual rows: too few titles of this shard differ in one fact that their descriptions repeat",
            shard=shard,
        )
    draft.add_bytes(COUNTERFACTUALS_FILE, parquet_bytes(made.select(["row", "title", "content"])))
    return pa.concat_tables([rows, made])


def _examples(
    chain: Chain, shard: int, table: pa.Table, prompts: Sequence[str], tokenizer: PreTrainedTokenizerFast
) -> tuple[dict[str, datasets.Dataset], dict[str, list[str]]]:
    """Return the tokens and the descriptions of the training rows and of the test rows, by split."""
    contents, splits = table["content"].to_pylist(), table["split"].to_pylist()
    rows = {split: [row for row, own in enumerate(splits) if own == split] for split in (TRAIN, TEST)}
    if not rows[TRAIN]:
        raise InputError(
            f"shard {shard} of catalogue {chain.catalogue!r} has {table.num_rows} rows and no training rows: prepare the "
            "catalogue again with more rows per shard"
        )
    recipe = chain.recipe
    references = {split: [contents[row] for row in rows[split]] for split in rows}
    examples = {
        split: tokenize(
            tokenizer,
            [prompts[row] for row in rows[split]],
            references[split],
            recipe.max_source_tokens,
            recipe.max_target_tokens,
        )
        for split in rows
    }
    return examples, references


def _json_lines(records: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()
