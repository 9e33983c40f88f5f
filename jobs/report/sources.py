"""The artifacts that a report is made from.

Only manifests are read here, so that an up-to-date report is recognised without a download.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import Catalogue
from jobs.storage.layout import Kind
from jobs.storage.manifest import digest_of
from jobs.storage.store import Store

READERS = 8


@dataclass(frozen=True)
class Sources:
    """The artifacts of a report. `model`, `batch`, `audit` and `matcher` are None if they do not exist.

    `batch_name` is empty for no batch. `rejected_batch` is the batch of this name if no model of the run wrote it;
    `batch` is then None. `matcher` is the one that the batch was checked with. `max_shards`: how many shards are to
    be trained; None for all.
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
    max_shards: int | None = None

    @property
    def base_model(self) -> str:
        """The name of the run's base model."""
        return _base_model(self.config)

    def digests(self) -> dict[str, str]:
        """Return the digest of each source, by the name under which the report's manifest records it."""
        digests = {"configuration": digest_of(dict(self.config)), "catalogue": self.catalogue.digest}
        digests |= {layout.trained_shard_name(shard): source.digest for shard, source in self.shards.items()}
        digests |= {f"evaluation/{stage}": source.digest for stage, source in self.stages.items()}
        digests |= {"model": self.model.digest} if self.model else {}
        digests |= {"export": self.batch.digest} if self.batch else {}
        digests |= {"rejected_export": self.rejected_batch.digest} if self.rejected_batch else {}
        digests |= {"matcher": self.matcher.digest} if self.matcher else {}
        return digests | ({"audit": self.audit.digest} if self.audit else {})

    def newest(self) -> str:
        """Return when the newest of catalogue, shards and stages was committed, as an ISO date and time."""
        timed = (self.catalogue.artifact, *self.shards.values(), *self.stages.values())
        return max(source.manifest.created for source in timed)


def find(store: Store, run: str, catalogue_name: str, batch: str, max_shards: int | None = None) -> Sources:
    """Return the artifacts that exist now. `max_shards`: how many shards are to be trained; None for all.

    Errors: `NotReadyError` (75) if the run has not started, has no trained shard, or its catalogue does not exist;
    `ConfigurationError` (78) if the run is trained on another catalogue.
    """
    config = runs.read_config(store, run)
    trained_on = config.get("catalogue", catalogue_name)
    if trained_on != catalogue_name:
        raise ConfigurationError(
            f"run {run!r} is trained on catalogue {trained_on!r}, not on {catalogue_name!r}: use --catalogue {trained_on}"
        )
    products = catalogue.require(store, catalogue_name)
    shards = _trained_shards(store, run, products.shards)
    if not shards:
        raise NotReadyError(
            f"run {run!r} has no trained shard in {store.at(layout.run_path(run))}: `skuscribe train --run {run}` trains one"
        )
    named = artifact.find(store, layout.export_path(batch)) if batch else None
    exported = named if named and _is_of_the_run(named, shards) else None
    return Sources(
        run=run,
        config=config,
        catalogue_name=catalogue_name,
        catalogue=products,
        model=artifact.find(store, layout.model_path(_base_model(config))),
        shards=shards,
        stages=_stages(store, run),
        batch_name=batch,
        batch=exported,
        audit=_audit(store, batch, exported) if exported else None,
        matcher=_matcher(store, exported) if exported else None,
        rejected_batch=None if exported else named,
        max_shards=max_shards,
    )


def _base_model(config: Mapping[str, Any]) -> str:
    return str(config.get("model", "base"))


def _trained_shards(store: Store, run: str, shards: int) -> dict[int, Artifact]:
    """Return the artifacts of the trained shards, by shard."""
    folders = set(store.folders(f"{layout.run_path(run)}/"))
    started = [shard for shard in range(shards) if layout.trained_shard_name(shard) in folders]
    artifacts = _find_all(store, [layout.trained_shard_path(run, shard) for shard in started])
    return {shard: source for shard, source in zip(started, artifacts, strict=True) if source is not None}


def _stages(store: Store, run: str) -> dict[str, Artifact]:
    """Return the artifacts of the evaluated stages, by the stage's name."""
    names = store.folders(f"{layout.evaluations_path(run)}/")
    artifacts = _find_all(store, [layout.evaluation_path(run, name) for name in names])
    return {
        name: source
        for name, source in zip(names, artifacts, strict=True)
        if source is not None and source.manifest.kind == Kind.EVALUATION
    }


def _is_of_the_run(exported: Artifact, shards: Mapping[int, Artifact]) -> bool:
    """Return whether a trained shard wrote the batch. A batch that does not record its model is accepted."""
    digest = exported.manifest.inputs.get("model")
    return digest is None or any(shard.digest == digest for shard in shards.values())


def _audit(store: Store, batch: str, exported: Artifact) -> Artifact | None:
    """Return what people say about a batch, or None if nothing, or if the batch has been made again since."""
    found = artifact.find(store, layout.audit_path(batch))
    return found if found is not None and found.manifest.inputs.get("export") == exported.digest else None


def _matcher(store: Store, exported: Artifact) -> Artifact | None:
    """Return the matcher that a batch was checked with, or None if it had none, or if it has been made again since."""
    digest = exported.manifest.inputs.get("matcher")
    paths = [layout.matcher_path(name) for name in store.folders(layout.MATCHERS)] if digest else []
    return next((found for found in _find_all(store, paths) if found is not None and found.digest == digest), None)


def _find_all(store: Store, paths: Sequence[str]) -> list[Artifact | None]:
    """Return the artifact at each path, or None. Manifests are read in parallel: a long run has more than a hundred."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda path: artifact.find(store, path), paths))
