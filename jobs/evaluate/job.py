"""The job `evaluate`: answer the same questions with every stage of a run, and score the answers.

Reads the catalogue, the models of the run, the matcher, and the index in Postgres. Writes runs/RUN/evaluation/STAGE.
"""

import json
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.evaluate import questions
from jobs.evaluate.settings import Settings
from jobs.process import folders, log
from jobs.process.errors import ConfigurationError
from jobs.quality.checker import find_matcher, load_checker, searched_neighbours, support_config
from jobs.quality.checks import CHECKS_VERSION, Checker
from jobs.retrieval.neighbours import NeighbourSearch
from jobs.retrieval.search_index import SearchIndex, find_index
from jobs.steps import Stage, stages, trained_shards
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact, Draft, Spec
from jobs.storage.catalogue import Catalogue
from jobs.storage.layout import Kind
from jobs.storage.parquet import parquet_bytes
from jobs.storage.store import Store
from jobs.t5 import inference

if TYPE_CHECKING:
    from jobs.evaluate.evaluator import Evaluation, LoadedModel

LATER = ("index", "matcher", "words_only")
"""What earlier versions did not record, as they checked most answers without index and matcher. Their evaluations are kept."""

REFERENCE_MAX_TOKENS = 512
"""Maximum reference length for the loss; longer references are truncated."""


def run(settings: Settings) -> None:
    """Evaluate one stage, or all stages in order.

    Errors: 65 if the catalogue has no questions, 75 if a model or the index is not available yet, 78 if --model is not the
    base model of the run, or --catalogue not its catalogue.
    """
    store = Store(settings.store)
    products = catalogue.require(store, settings.catalogue)
    config = runs.find_config(store, settings.run) or {}
    runs.require_catalogue(config, settings.run, settings.catalogue)
    selected = stages(trained_shards(products.shards, settings.max_shards), runs.shards_at_once(config))
    if settings.index is not None:
        if settings.index >= len(selected):
            log.info("nothing to do: no stage with this index", index=settings.index, stages=len(selected))
            return
        selected = [selected[settings.index]]
    shared = Shared(settings, store, config, products.digest)
    for stage in selected:
        with folders.temporary_folder() as work:
            _evaluate(settings, products, stage, shared, work)


class Shared:
    """What the stages of a process share, each loaded when a stage first needs it."""

    def __init__(self, settings: Settings, store: Store, config: Mapping[str, Any], catalogue_digest: str) -> None:
        self._settings, self.store, self.config, self._catalogue_digest = settings, store, config, catalogue_digest
        self.model: LoadedModel | None = None
        """The last model, because the next stage with retrieval may have the same one."""

    @cached_property
    def index(self) -> SearchIndex:
        """The index of the catalogue."""
        return find_index(self._settings.catalogue, self._catalogue_digest)

    @cached_property
    def search(self) -> NeighbourSearch:
        """The search for the nearest products, of the prompts and of the checks."""
        settings = self._settings
        count = searched_neighbours(settings.neighbours, words_only=settings.words_only)
        return NeighbourSearch(self.index, settings.encoder, count)

    @cached_property
    def matcher(self) -> Artifact | None:
        """The matcher, None if texts are checked by their words only."""
        return find_matcher(self.store, self._settings.matcher, words_only=self._settings.words_only)

    @cached_property
    def checker(self) -> Checker:
        """The checker with the matcher."""
        return load_checker(self.matcher, self._settings.publish_from, self._settings.number_support)


def _evaluate(settings: Settings, products: Catalogue, stage: Stage, shared: Shared, work: Path) -> None:
    """Evaluate a stage once."""
    store, name = shared.store, layout.stage_name(stage.shard, stage.retrieval)
    if stage.shard is None:
        model = _base_model(store, settings.run, shared.config, settings.model)
    else:
        model = runs.model_after(store, settings.run, shared.config, stage.shard)
    prompt_neighbours = settings.neighbours if stage.retrieval else 0
    needs_index = searched_neighbours(prompt_neighbours, words_only=settings.words_only) > 0

    def build(draft: Draft) -> Mapping[str, Any]:
        # torch is loaded only to evaluate: an evaluation that exists is found without it
        from jobs.evaluate import evaluator  # noqa: PLC0415
        from jobs.t5 import gpu  # noqa: PLC0415

        gpu.require(settings.require_gpu)
        started = time.monotonic()
        if shared.model is None or shared.model.digest != model.digest:
            shared.model = evaluator.load_model(model, work)
        stage_questions = questions.of_stage(products, stage.shard, settings.questions, work)
        titles = [question.title for question in stage_questions]
        neighbours = shared.search.of(titles) if needs_index else [[] for _ in titles]
        device = inference.choose_device(settings.precision, settings.batch_tokens)
        log.info("stage started", stage=name, questions=len(stage_questions), device=device.name)
        options = evaluator.InferenceOptions(
            device=device,
            decoding=settings.decoding,
            max_prompt_tokens=settings.prompt_max_tokens,
            max_reference_tokens=REFERENCE_MAX_TOKENS,
        )
        with_neighbours = evaluator.StageQuestions(stage_questions, neighbours, prompt_neighbours)
        result = evaluator.evaluate(shared.model, with_neighbours, options, shared.checker, settings.seed, work)
        seconds = round(time.monotonic() - started, 2)
        _add_files(draft, stage, model.digest, result, seconds)
        return _figures(result, seconds)

    inputs = {"catalogue": products.digest, "model": model.digest}
    inputs |= {"index": shared.index.digest} if needs_index else {}
    inputs |= {"matcher": shared.matcher.digest} if shared.matcher else {}
    path = layout.evaluation_path(settings.run, name)
    former = {"index": shared.index.former_digests} if needs_index else {}
    spec = Spec(store, path, Kind.EVALUATION, _config(settings, stage.retrieval), inputs, later=LATER, former=former)
    artifact.make_once(spec, build, replace_outdated=settings.replace)


def _base_model(store: Store, run: str, recorded: Mapping[str, Any], name: str) -> Artifact:
    """Return the base model of a run. It is not checked if the run has not started, or does not record its base model.

    `recorded`: the configuration of the run, empty if it has not started.

    Errors: `ConfigurationError` (78) if the run started from another one.
    """
    model = runs.base_model(store, name)
    digest = recorded.get("base_model_digest", model.digest)
    if digest != model.digest:
        raise ConfigurationError(
            f"run {run!r} started from base model {recorded.get('model')!r} with digest {digest}, and {model.url} has digest "
            f"{model.digest}: pass the base model of the run with --model, or evaluate another run with --run"
        )
    return model


def _config(settings: Settings, retrieval: bool) -> dict[str, Any]:
    return {
        "questions": settings.questions,
        "reference_max_tokens": REFERENCE_MAX_TOKENS,
        "seed": settings.seed,
        **({"neighbours": settings.neighbours} if retrieval else {}),
        **({} if settings.publish_from is None else {"publish_from": settings.publish_from}),
        **support_config(settings.number_support),
        **({"words_only": True} if settings.words_only else {}),
        **inference.generation_config(
            settings.precision, settings.prompt_max_tokens, settings.decoding, require_gpu=settings.require_gpu
        ),
    }


def _add_files(draft: Draft, stage: Stage, model_digest: str, result: "Evaluation", seconds: float) -> None:
    rate = round(result.answers.num_rows / result.generation_seconds, 2) if result.generation_seconds else None
    scores = {
        "stage": layout.stage_name(stage.shard, stage.retrieval), "model_digest": model_digest, "shard": stage.shard, "retrieval": stage.retrieval,
        "groups": result.groups, "baselines": result.baselines, "seconds": seconds, "answers_per_second": rate,
        "checks_version": CHECKS_VERSION,
    }  # fmt: skip
    draft.add_bytes(layout.ANSWERS_FILE, parquet_bytes(result.answers))
    draft.add_bytes(layout.SCORES_FILE, json.dumps(scores, indent=1, ensure_ascii=False).encode(), measured=True)


def _figures(result: "Evaluation", seconds: float) -> dict[str, Any]:
    """Return the figures of the manifest: the scores of the first group, which is `held-out` unless it has no questions."""
    first = next(iter(result.groups.values()))
    means = {name: round(first[name]["value"], 6) for name in ("loss", "rougeL", "repetition", "flagged")}
    return means | {"questions": result.answers.num_rows, "seconds": seconds}
