"""The artifacts that a report is made from.

Only manifests are read here, so that an up-to-date report is recognised without a download.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import Catalogue
from jobs.storage.layout import Kind
from jobs.storage.manifest import digest_of
from jobs.storage.store import Store


@dataclass(frozen=True)
class Sources:
    """The artifacts of a report. `model`, `batch`, `audit` and `matcher` are None if they do not exist.

    `rejected_stages` are the evaluations of models that do not belong to the run; they are not among `stages`. `batch_name` is
    empty for no batch. `rejected_batch` is the batch of this name if no model of the run wrote it; `batch` is then None.
    `matcher` is the one that the batch was checked with. `merged`: as `runs.merged_models()`. `max_shards`: number of shards that the
    run trains; None for all.
    """

    run: str
    config: Mapping[str, Any]
    catalogue_name: str
    catalogue: Catalogue
    model: Artifact | None
    shards: Mapping[int, Artifact]
    stages: Mapping[str, Artifact]
    batch_name: str
    batch: Artifact | None
    audit: Artifact | None
    matcher: Artifact | None = None
    rejected_batch: Artifact | None = None
    rejected_stages: Mapping[str, Artifact] = field(default_factory=dict)
    merged: Mapping[int, Artifact] = field(default_factory=dict)
    max_shards: int | None = None

    @property
    def base_model(self) -> str:
        """The name of the run's base model."""
        return _base_model(self.config)

    def digests(self) -> dict[str, str]:
        """Return the digest of each source, by the name under which the report's manifest records it."""
        digests = {"configuration": digest_of(dict(self.config)), "catalogue": self.catalogue.digest}
        digests |= {layout.trained_shard_name(shard): source.digest for shard, source in self.shards.items()}
        digests |= {
            f"merged/{layout.trained_shard_name(shard)}": source.digest for shard, source in self.merged.items()
        }
        digests |= {f"evaluation/{stage}": source.digest for stage, source in self.stages.items()}
        digests |= {f"rejected_evaluation/{stage}": source.digest for stage, source in self.rejected_stages.items()}
        digests |= {"model": self.model.digest} if self.model else {}
        digests |= {"export": self.batch.digest} if self.batch else {}
        digests |= {"rejected_export": self.rejected_batch.digest} if self.rejected_batch else {}
        digests |= {"matcher": self.matcher.digest} if self.matcher else {}
        return digests | ({"audit": self.audit.digest} if self.audit else {})

    def newest(self) -> str:
        """Return when the newest of catalogue, models of the run and stages was committed, as an ISO date and time."""
        timed = (self.catalogue.artifact, *self.shards.values(), *self.merged.values(), *self.stages.values())
        return max(source.manifest.created for source in timed)


def find(store: Store, run: str, catalogue_name: str, batch: str, max_shards: int | None = None) -> Sources:
    """Return the artifacts that exist now. `max_shards`: number of shards that the run trains; None for all.

    Errors: `NotReadyError` (75) if the run has not started, has no trained shard, or its catalogue does not exist;
    `ConfigurationError` (78) if the run is trained on another catalogue, or on an earlier one of this name.
    """
    config = runs.read_config(store, run)
    products = _catalogue_of_the_run(store, run, config, catalogue_name)
    shards = _trained_shards(store, run, products.shards)
    if not shards:
        raise NotReadyError(
            f"run {run!r} has no trained shard in {store.at(layout.run_path(run))}: `skuscribe train --run {run}` trains one"
        )
    merged = runs.merged_models(store, run, config, products.shards)
    trained = [model.digest for model in (*shards.values(), *merged.values())]
    evaluated = _stages(store, run)
    stages = _stages_of_the_run(evaluated, config.get("base_model_digest"), trained)
    named = artifact.find(store, layout.export_path(batch)) if batch else None
    exported = named if named and _is_of_a_model(named, trained) else None
    return Sources(
        run=run,
        config=config,
        catalogue_name=catalogue_name,
        catalogue=products,
        model=artifact.find(store, layout.model_path(_base_model(config))),
        shards=shards,
        stages=stages,
        batch_name=batch,
        batch=exported,
        audit=_audit(store, batch, exported) if exported else None,
        matcher=_matcher(store, exported) if exported else None,
        rejected_batch=None if exported else named,
        rejected_stages={name: source for name, source in evaluated.items() if name not in stages},
        merged=merged,
        max_shards=max_shards,
    )


def _catalogue_of_the_run(store: Store, run: str, config: Mapping[str, Any], name: str) -> Catalogue:
    """Return the catalogue of this name. Errors: `ConfigurationError` (78) if `config` records another name or digest."""
    runs.require_catalogue(config, run, name)
    products = catalogue.require(store, name)
    recorded = config.get("catalogue_digest", products.digest)
    if recorded != products.digest:
        raise ConfigurationError(
            f"run {run!r} is trained on catalogue {name!r} with digest {recorded}, and {products.artifact.url} was prepared "
            f"again and has digest {products.digest}. Report on a run of this catalogue with --run, or restore the catalogue "
            "of the run"
        )
    return products


def _base_model(config: Mapping[str, Any]) -> str:
    return str(config.get("model", "base"))


def _trained_shards(store: Store, run: str, shards: int) -> dict[int, Artifact]:
    """Return the artifacts of the trained shards, by shard."""
    folders = set(store.folders(f"{layout.run_path(run)}/"))
    started = [shard for shard in range(shards) if layout.trained_shard_name(shard) in folders]
    return runs.find_trained(store, run, started)


def _stages(store: Store, run: str) -> dict[str, Artifact]:
    """Return the artifacts of all evaluated stages, by the stage's name."""
    names = store.folders(f"{layout.evaluations_path(run)}/")
    artifacts = artifact.find_all(store, [layout.evaluation_path(run, name) for name in names])
    return {
        name: source
        for name, source in zip(names, artifacts, strict=True)
        if source is not None and source.manifest.kind == Kind.EVALUATION
    }


def _stages_of_the_run(
    evaluated: Mapping[str, Artifact], base_model: str | None, trained: Sequence[str]
) -> Mapping[str, Artifact]:
    """Return the evaluated stages whose model belongs to the run. `base_model` and `trained` are the digests of its models.

    All stages are returned if the digest of the base model is unknown (None).
    """
    if base_model is None:
        return evaluated
    models = {base_model, *trained}
    return {name: source for name, source in evaluated.items() if _is_of_a_model(source, models)}


def _is_of_a_model(source: Artifact, models: Collection[str]) -> bool:
    """Return whether an artifact was made with one of the models with these digests, or does not record its model."""
    digest = source.manifest.inputs.get("model")
    return digest is None or digest in models


def _audit(store: Store, batch: str, exported: Artifact) -> Artifact | None:
    """Return the labels of a batch, or None if it has none, or if they are of an earlier batch of this name."""
    found = artifact.find(store, layout.audit_path(batch))
    return found if found is not None and found.manifest.inputs.get("export") == exported.digest else None


def _matcher(store: Store, exported: Artifact) -> Artifact | None:
    """Return the matcher that a batch was checked with, or None if there was none, or if it was replaced since."""
    digest = exported.manifest.inputs.get("matcher")
    paths = [layout.matcher_path(name) for name in store.folders(layout.MATCHERS)] if digest else []
    return next(
        (found for found in artifact.find_all(store, paths) if found is not None and found.digest == digest), None
    )
