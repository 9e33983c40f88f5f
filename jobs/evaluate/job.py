"""The job `evaluate`: answer the same questions with every stage of a run, and score the answers.

Reads the catalogue, the models of the run, and for retrieval the index in Postgres. Writes runs/RUN/evaluation/STAGE.
"""

import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from jobs.evaluate import questions
from jobs.evaluate.questions import Question
from jobs.evaluate.settings import Settings
from jobs.process import folders, log
from jobs.retrieval.neighbours import Neighbour, NeighbourSearch, SearchIndex, find_index
from jobs.steps import trained_shards
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Draft, Spec
from jobs.storage.catalogue import Catalogue
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from jobs.t5 import inference

if TYPE_CHECKING:
    from jobs.evaluate.evaluator import Evaluation, LoadedModel

REFERENCE_MAX_TOKENS = 512
"""Maximum reference length for the loss; longer references are truncated."""


@dataclass(frozen=True)
class Stage:
    """A model to evaluate: that of a trained shard, or the base model (None), with or without retrieval."""

    shard: int | None
    retrieval: bool

    @property
    def name(self) -> str:
        """The name of its folder."""
        return layout.stage_name(self.shard, self.retrieval)


def stages(shards: int) -> list[Stage]:
    """Return the stages of a run by index. Only the base model and the last model are evaluated with retrieval too."""
    trained = [Stage(shard, retrieval=False) for shard in range(shards)]
    return [Stage(None, retrieval=False), Stage(None, retrieval=True), *trained, Stage(shards - 1, retrieval=True)]


def run(settings: Settings) -> None:
    """Evaluate one stage, or all stages in order.

    Errors: 65 if the catalogue has no questions, 75 if a model or the index is not available yet.
    """
    store = Store(settings.store)
    products = catalogue.require(store, settings.catalogue)
    selected = stages(trained_shards(products.shards, settings.max_shards))
    if settings.index is not None:
        if settings.index >= len(selected):
            log.info("nothing to do: no stage with this index", index=settings.index, stages=len(selected))
            return
        selected = [selected[settings.index]]
    loaded: LoadedModel | None = None
    for stage in selected:
        with folders.temporary_folder() as work:
            loaded = _evaluate(settings, store, products, stage, loaded, work)


def _evaluate(
    settings: Settings, store: Store, products: Catalogue, stage: Stage, loaded: "LoadedModel | None", work: Path
) -> "LoadedModel | None":
    """Evaluate a stage once. Returns the model in memory, because the next stage with retrieval may have the same one."""
    if stage.shard is None:
        model, prefix = runs.base_model(store, settings.model), ""
    else:
        model, prefix = runs.trained_shard(store, settings.run, stage.shard), layout.MODEL_PREFIX
    index = find_index(settings.catalogue) if stage.retrieval and settings.neighbours else None

    def build(draft: Draft) -> Mapping[str, Any]:
        nonlocal loaded
        # torch is loaded only to evaluate: an evaluation that exists is found without it
        from jobs.evaluate import evaluator  # noqa: PLC0415
        from jobs.t5 import gpu  # noqa: PLC0415

        gpu.require(settings.require_gpu)
        started = time.monotonic()
        if loaded is None or loaded.digest != model.digest:
            loaded = evaluator.load_model(model, prefix, work)
        stage_questions = questions.of_stage(products, stage.shard, settings.questions, work)
        neighbours = _neighbours(index, settings.encoder, settings.neighbours, stage_questions)
        device = inference.choose_device(settings.precision, settings.batch_tokens)
        log.info("stage started", stage=stage.name, questions=len(stage_questions), device=device.name)
        result = evaluator.evaluate(
            loaded, stage_questions, neighbours, device, settings.decoding, settings.prompt_max_tokens,
            REFERENCE_MAX_TOKENS, settings.seed, work,
        )  # fmt: skip
        seconds = round(time.monotonic() - started, 2)
        _add_files(draft, stage, model.digest, result, seconds)
        return _figures(result, seconds)

    inputs = {"catalogue": products.digest, "model": model.digest} | ({"index": index.digest} if index else {})
    path = layout.evaluation_path(settings.run, stage.name)
    spec = Spec(store, path, Kind.EVALUATION, _config(settings, stage.retrieval), inputs)
    artifact.make_once(spec, build, replace_outdated=settings.replace)
    return loaded


def _config(settings: Settings, retrieval: bool) -> dict[str, Any]:
    return {
        "questions": settings.questions,
        "reference_max_tokens": REFERENCE_MAX_TOKENS,
        "seed": settings.seed,
        **({"neighbours": settings.neighbours} if retrieval else {}),
        **inference.generation_config(settings.precision, settings.prompt_max_tokens, settings.decoding),
    }


def _neighbours(
    index: SearchIndex | None, encoder: str, count: int, stage_questions: Sequence[Question]
) -> list[list[Neighbour]]:
    if index is None:
        return [[] for _ in stage_questions]
    return NeighbourSearch(index, encoder, count).of([question.title for question in stage_questions])


def _add_files(draft: Draft, stage: Stage, model_digest: str, result: "Evaluation", seconds: float) -> None:
    rate = round(result.answers.num_rows / result.generation_seconds, 2) if result.generation_seconds else None
    scores = {
        "stage": stage.name, "model_digest": model_digest, "shard": stage.shard, "retrieval": stage.retrieval,
        "groups": result.groups, "baselines": result.baselines, "seconds": seconds, "answers_per_second": rate,
    }  # fmt: skip
    answers = io.BytesIO()
    pq.write_table(result.answers, answers, compression="zstd")
    draft.add_bytes(layout.ANSWERS_FILE, answers.getvalue())
    draft.add_bytes(layout.SCORES_FILE, json.dumps(scores, indent=1, ensure_ascii=False).encode(), measured=True)


def _figures(result: "Evaluation", seconds: float) -> dict[str, Any]:
    """Return the figures of the manifest: the scores of the first group, which is `held-out` unless it has no questions."""
    first = next(iter(result.groups.values()))
    means = {name: round(first[name]["value"], 6) for name in ("loss", "rougeL", "repetition", "flagged")}
    return means | {"questions": result.answers.num_rows, "seconds": seconds}
