"""The sources of a report: which artifacts are found, and which are missing."""

import pytest

from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.report import sources
from jobs.storage import artifact, layout, runs
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from tests import report_factory as factory

pytestmark = pytest.mark.slow


def find(store: Store) -> sources.Sources:
    return sources.find(store, "main", "main", "main")


def test_a_run_that_has_not_started_is_not_ready_and_the_message_names_the_command(store: Store) -> None:
    with pytest.raises(NotReadyError, match="skuscribe train --run main"):
        find(store)


def test_a_run_without_a_trained_shard_is_not_ready(store: Store) -> None:
    factory.make_catalogue(store, factory.RunShape())
    runs.freeze(store, "main", {"model": "base"})
    with pytest.raises(NotReadyError, match="no trained shard"):
        find(store)


def test_another_catalogue_than_that_of_the_run_is_a_configuration_error(store: Store) -> None:
    runs.freeze(store, "main", {"model": "base", "catalogue": "shoes"})
    with pytest.raises(ConfigurationError, match="--catalogue shoes"):
        find(store)


def test_a_shard_without_a_manifest_does_not_exist(store: Store) -> None:
    factory.make(store, factory.RunShape(questions=3))
    store.delete(f"{layout.trained_shard_path('main', 2)}/{layout.MANIFEST}")
    assert list(find(store).shards) == [0, 1]


def test_an_evaluation_folder_with_an_artifact_of_another_kind_is_no_stage(store: Store) -> None:
    factory.make(store, factory.RunShape(questions=3))
    with artifact.draft(store, layout.evaluation_path("main", "notes"), "notes", {}, {}) as draft:
        draft.commit({})
    assert set(find(store).stages) == {
        "base", "base-retrieval", "shard-00000", "shard-00001", "shard-00002", "shard-00002-retrieval"
    }  # fmt: skip


def test_a_changed_source_changes_its_digest_and_no_other(store: Store) -> None:
    factory.make(store, factory.RunShape(questions=3))
    before = find(store).digests()
    artifact.remove(store, layout.export_path("main"))
    factory.make_batch(store, published=1)
    after = find(store).digests()
    assert {name for name in before if before[name] != after[name]} == {"export"}


def test_the_manifest_records_each_source_under_its_persisted_name(store: Store) -> None:
    factory.make(store, factory.RunShape(shards=1, trained=1, questions=3, retrieval=False))
    assert set(find(store).digests()) == {
        "configuration", "catalogue", "model", "shard-00000", "evaluation/base", "evaluation/shard-00000", "export"
    }  # fmt: skip


def test_the_labels_of_a_batch_that_was_made_again_are_no_source(store: Store) -> None:
    factory.make(store, factory.RunShape(shards=1, trained=1, questions=3, retrieval=False))
    factory.make_audit(store)
    assert find(store).digests()["audit"] == artifact.require(store, "exports/main/audit", "audit", "audit").digest
    artifact.remove(store, layout.export_path("main"))
    factory.make_audit(store)
    factory.make_batch(store, published=1)
    assert find(store).audit is None


def commit_batch(store: Store, matcher: str) -> None:
    path = layout.export_path("main")
    artifact.remove(store, path)
    with artifact.draft(store, path, Kind.EXPORT, {}, {"matcher": matcher} if matcher else {}) as draft:
        draft.commit({})


def commit_matcher(store: Store, name: str, seed: int) -> str:
    """Commit a matcher in the place of an earlier one. Returns its digest."""
    artifact.remove(store, layout.matcher_path(name))
    with artifact.draft(store, layout.matcher_path(name), Kind.MATCHER, {"seed": seed}, {}) as draft:
        draft.add_bytes(layout.SCORES_FILE, b"{}")
        return draft.commit({}).digest


def test_the_matcher_is_the_one_that_the_batch_was_checked_with(store: Store) -> None:
    factory.make(store, factory.RunShape(shards=1, trained=1, questions=3))
    commit_matcher(store, "main", seed=1)
    digest = commit_matcher(store, "other", seed=2)
    commit_batch(store, digest)
    found = find(store)
    assert found.matcher is not None
    assert found.matcher.path == layout.matcher_path("other")
    assert found.digests()["matcher"] == digest
    commit_matcher(store, "other", seed=3)
    assert find(store).matcher is None
    commit_batch(store, "")
    assert find(store).matcher is None


def commit_batch_of(store: Store, model: str) -> None:
    """Commit the batch `main`, written by the model with this digest."""
    artifact.remove(store, layout.export_path("main"))
    with artifact.draft(store, layout.export_path("main"), Kind.EXPORT, {}, {"model": model, "titles": "0"}) as draft:
        draft.commit({"products": 7, "published": 7})


def test_a_batch_that_any_shard_of_the_run_wrote_is_a_source(store: Store) -> None:
    factory.make(store, factory.RunShape(questions=3))
    commit_batch_of(store, find(store).shards[0].digest)
    found = find(store)
    assert found.batch is not None
    assert found.rejected_batch is None
    assert found.digests()["export"] == found.batch.digest


def test_a_batch_of_another_run_and_what_belongs_to_it_are_no_sources(store: Store) -> None:
    factory.make(store, factory.RunShape(questions=3))
    artifact.remove(store, layout.export_path("main"))
    before = find(store).digests()
    commit_batch_of(store, "f" * 64)
    factory.make_audit(store)
    found = find(store)
    assert (found.batch, found.audit, found.matcher) == (None, None, None)
    assert found.rejected_batch is not None
    assert "export" not in found.digests()
    assert found.digests() != before, "a report that says that the batch does not exist would be kept"


def test_a_batch_that_does_not_record_its_model_is_a_source(store: Store) -> None:
    factory.make(store, factory.RunShape(questions=3))
    assert find(store).batch is not None


def commit_stage(store: Store, name: str, model: str) -> None:
    """Commit an evaluation of the model with this digest, in the place of an earlier one."""
    path = layout.evaluation_path("main", name)
    artifact.remove(store, path)
    with artifact.draft(store, path, Kind.EVALUATION, {}, {"model": model}) as draft:
        draft.commit({})


def test_an_evaluation_of_a_model_that_is_not_of_the_run_is_no_stage(store: Store) -> None:
    factory.make(store, factory.RunShape(questions=3))
    before = find(store)
    assert before.model is not None
    commit_stage(store, "base", "f" * 64)
    commit_stage(store, "base-retrieval", before.model.digest)
    commit_stage(store, "shard-00001", before.shards[1].digest)
    found = find(store)
    assert set(before.stages) - set(found.stages) == {"base"}
    assert set(found.rejected_stages) == {"base"}
    assert found.digests()["rejected_evaluation/base"] == found.rejected_stages["base"].digest


def test_stages_and_batches_of_merged_models_belong_to_the_run(store: Store) -> None:
    factory.make(store, factory.RunShape(questions=3, shards_at_once=2))
    found = find(store)
    assert sorted(found.merged) == [1, 2]
    assert found.rejected_stages == {}
    assert found.stages["shard-00001"].manifest.inputs["model"] == found.merged[1].digest
    commit_batch_of(store, found.merged[2].digest)
    assert find(store).rejected_batch is None


def test_a_run_that_does_not_record_its_base_model_has_every_stage(store: Store) -> None:
    factory.make_catalogue(store, factory.RunShape())
    runs.freeze(store, "main", {"model": "base"})
    factory.make_shard(store, factory.RunShape(), 0)
    commit_stage(store, "base", "f" * 64)
    assert (set(find(store).stages), find(store).rejected_stages) == ({"base"}, {})


def test_a_catalogue_that_was_prepared_again_is_a_configuration_error(store: Store) -> None:
    factory.make(store, factory.RunShape(questions=3))
    recorded = find(store).catalogue.digest
    artifact.remove(store, layout.catalogue_path("main"))
    found = factory.make_catalogue(store, factory.RunShape(shards=5)).digest
    with pytest.raises(
        ConfigurationError,
        match=f"digest {recorded}, and .*catalogue/main was prepared again and has digest {found}.*--run",
    ):
        find(store)
