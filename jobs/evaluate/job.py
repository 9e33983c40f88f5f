"""Ask every stage of a run the same questions: the base model, the model after each shard, with and without retrieval.

Reads the catalogue, the models, and for retrieval the index in Postgres; writes runs/RUN/evaluation/STAGE: answers.parquet and
scores.json with losses, ROUGE, repetition and flags, each with its 95 % interval, and two baselines beside them.
Stage i of an Indexed Job: base, base-retrieval, shard-00000, shard-00001 ..., the last shard with retrieval.
Try: skuscribe evaluate --questions 50
"""

import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.evaluate import questions, scorecard
from jobs.evaluate.questions import Question
from jobs.evaluate.scorecard import Marked
from jobs.evaluate.settings import Settings
from jobs.process import folders, log
from jobs.retrieval import neighbourhood
from jobs.retrieval.neighbourhood import Index, Neighbourhood, prompt_with
from jobs.retrieval.neighbours import Neighbour
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import Catalogue
from jobs.storage.store import Store
from jobs.t5 import generation, gpu
from jobs.t5.generation import Writer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

KIND = "evaluation"
ANSWERS_FILE, SCORES_FILE = "answers.parquet", "scores.json"


@dataclass(frozen=True)
class Stage:
    """A model to ask: the base model where `shard` is None, with or without retrieval."""

    shard: int | None
    retrieval: bool

    @property
    def name(self) -> str:
        """Its folder: base, base-retrieval, shard-00003 ..."""
        return ("base" if self.shard is None else f"shard-{self.shard:05d}") + ("-retrieval" if self.retrieval else "")


def stages(shards: int) -> list[Stage]:
    """Every stage of a run in order; its place is its index. Retrieval is for the base model and the last one."""
    alone = [Stage(shard, False) for shard in range(shards)]
    return [Stage(None, False), Stage(None, True), *alone, Stage(shards - 1, True)]


def run(settings: Settings) -> None:
    """Ask one stage, or all in order. Errors: 65 nothing to ask, 75 a model or the index is not there yet."""
    store = Store(settings.store)
    products = catalogue.require(store, settings.catalogue)
    every = stages(products.shards)
    if settings.index is not None and settings.index >= len(every):
        log.info("there is no such stage", stage=settings.index, stages=len(every))
        return
    asked: _Asked | None = None
    for stage in every if settings.index is None else [every[settings.index]]:
        with folders.temporary_folder() as work:
            asked = _evaluate(settings, store, products, stage, asked, work)


def stage_path(run: str, stage: str) -> str:
    """Where the evaluation of a stage lives in the store."""
    return f"{layout.run_path(run)}/evaluation/{stage}"


@dataclass(frozen=True)
class _Asked:
    """A model that is loaded, kept for the stage with retrieval that follows it."""

    digest: str
    model: "T5ForConditionalGeneration"
    tokenizer: "PreTrainedTokenizerFast"


def _evaluate(
    settings: Settings, store: Store, products: Catalogue, stage: Stage, loaded: _Asked | None, work: Path
) -> _Asked | None:
    path = stage_path(settings.run, stage.name)
    model = (
        runs.base_model(store, settings.model)
        if stage.shard is None
        else runs.trained_shard(store, settings.run, stage.shard)
    )
    index = neighbourhood.find(settings.catalogue) if stage.retrieval and settings.neighbours else None
    decisive = {
        "questions": settings.questions, "reference_max_tokens": settings.reference_max_tokens, "seed": settings.seed,
        **({"neighbours": settings.neighbours} if stage.retrieval else {}), **generation.generation_config(settings.precision, settings.prompt_max_tokens, settings.decoding),
    }  # fmt: skip
    inputs = {"catalogue": products.digest, "model": model.digest} | ({"index": index.digest} if index else {})
    if artifact.done(store, path, decisive, inputs):
        log.info("already done", artifact=store.at(path))
        return loaded
    gpu.require(settings.require_gpu)
    started = time.monotonic()
    asked = loaded if loaded and loaded.digest == model.digest else _load(model, stage, work)
    marked, baselines, writing_seconds = _ask(settings, products, stage, asked, index, work)
    scores = {
        "stage": stage.name, "model_digest": model.digest, "shard": stage.shard, "retrieval": stage.retrieval,
        "groups": scorecard.groups(marked, settings.seed), "baselines": baselines,
        "seconds": round(time.monotonic() - started, 2),
        "answers_per_second": round(len(marked) / writing_seconds, 2) if writing_seconds else None,
    }  # fmt: skip
    _commit(store, path, decisive, inputs, marked, scores)
    return asked


def _load(model: Artifact, stage: Stage, work: Path) -> _Asked:
    from jobs.t5 import models

    folder = model.fetch_all(work, "" if stage.shard is None else layout.MODEL_PREFIX)
    return _Asked(model.digest, models.load(folder), models.load_tokenizer(folder))


def _ask(
    settings: Settings, products: Catalogue, stage: Stage, asked: _Asked, index: Index | None, work: Path
) -> tuple[list[Marked], dict[str, Any], float]:
    """The marked answers of a stage, the baselines beside them, and the seconds that writing took."""
    from jobs.evaluate.losses import losses

    device = generation.choose_device(settings.precision, settings.batch_tokens)
    found = questions.of_stage(products, stage.shard, settings.questions, work)
    near = _neighbours(settings, index, found)
    prompts = [prompt_with(item.title.title, some) for item, some in zip(found, near, strict=True)]
    references = [item.reference for item in found]
    asked.model.cpu()  # where the converter reads the weights; the stage before may have left it on the GPU
    generation.convert(asked.model, asked.tokenizer, work / "converted", device.precision)
    writer = Writer(work / "converted", asked.tokenizer, device)
    log.info("asking", stage=stage.name, questions=len(found), device=device.name, precision=device.precision)
    with log.progress(f"answers of {stage.name}", len(found), "answers") as progress:
        started = time.monotonic()
        answers = writer.write(writer.encode(prompts, settings.prompt_max_tokens), settings.decoding, progress.advance)
        seconds = time.monotonic() - started
    model = asked.model.to(device.name)  # type: ignore[arg-type]  # its declaration takes no name
    loss = losses(
        model, asked.tokenizer, prompts, references, settings.prompt_max_tokens, settings.reference_max_tokens
    )
    marked = scorecard.marked(found, answers, near, loss)
    nearest = [some[0].content if some else None for some in near]
    return marked, scorecard.baselines(found, nearest, settings.seed), seconds


def _neighbours(settings: Settings, index: Index | None, found: Sequence[Question]) -> list[list[Neighbour]]:
    if index is None:
        return [[] for _ in found]
    return Neighbourhood(index, settings.encoder, settings.neighbours).of([item.title for item in found])


def _commit(
    store: Store, path: str, decisive: dict[str, Any], inputs: dict[str, str], marked: Sequence[Marked],
    scores: dict[str, Any],
) -> None:  # fmt: skip
    import pyarrow.parquet as pq

    answers = io.BytesIO()
    pq.write_table(scorecard.table(marked), answers, compression="zstd")
    first = next(iter(scores["groups"].values()))
    figures = {name: round(first[name]["value"], 6) for name in ("loss", "rougeL", "repetition", "flagged")}
    figures |= {"questions": len(marked), "seconds": scores["seconds"]}
    with artifact.draft(store, path, KIND, decisive, inputs) as draft:
        draft.add_bytes(ANSWERS_FILE, answers.getvalue())
        draft.add_bytes(SCORES_FILE, json.dumps(scores, indent=1, ensure_ascii=False).encode(), measured=True)
        draft.commit(figures)
    log.info("stage evaluated", artifact=store.at(path), **figures)
