"""The history of a run: what is read from its artifacts, and what is not there yet."""

import json
from pathlib import Path

import pytest

from jobs.describe import batch as batch_files
from jobs.evaluate import job as evaluate
from jobs.evaluate import questions, scorecard
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.report import history
from jobs.storage import artifact, layout, runs
from jobs.storage.store import Store
from tests import report_factory as factory


def read(store: Store, folder: Path, batch: str = "main") -> history.History:
    return history.read(history.find(store, "main", "main", batch), folder)


def test_it_holds_every_shard_epoch_stage_and_answer(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.Plan(questions=5))
    found = read(store, tmp_path)
    assert [shard.number for shard in found.shards] == [0, 1, 2]
    assert [len(shard.epochs) for shard in found.shards] == [3, 3, 3]
    assert [stage.name for stage in found.stages] == [
        "base", "base-retrieval", "shard-00000", "shard-00001", "shard-00002", "shard-00002-retrieval"
    ]  # fmt: skip
    assert [stage.answers.num_rows for stage in found.stages] == [15] * 6
    assert found.stages[0].groups["held-out"].questions == 5
    assert found.data.statistics["rejected"] == {"no-content": 41, "no-title": 12, "not-json": 7}
    assert found.batch_figures is not None


def test_a_run_that_has_not_begun_says_what_begins_it(store: Store) -> None:
    with pytest.raises(NotReadyError, match="skuscribe train --run main"):
        history.find(store, "main", "main", "main")


def test_a_run_without_a_trained_shard_is_not_ready(store: Store) -> None:
    factory.make_catalogue(store, factory.Plan())
    runs.freeze(store, "main", {"model": "base"})
    with pytest.raises(NotReadyError, match="no trained shard"):
        history.find(store, "main", "main", "main")


def test_another_catalogue_than_that_of_the_run_is_a_wrong_setting(store: Store) -> None:
    runs.freeze(store, "main", {"model": "base", "catalogue": "shoes"})
    with pytest.raises(ConfigurationError, match="--catalogue shoes"):
        history.find(store, "main", "main", "main")


def test_the_time_of_a_shard_is_no_less_than_that_of_its_epochs(store: Store, tmp_path: Path) -> None:
    plan = factory.Plan()
    factory.make_catalogue(store, plan)
    runs.freeze(store, "main", {"model": "base"})
    with artifact.draft(store, layout.trained_shard_path("main", 0), layout.Kind.TRAINED_SHARD, {}, {}) as draft:
        records = [{"shard": 0, "epoch": epoch, "seconds": 10.0} for epoch in (1, 2, 3)]
        draft.add_bytes(layout.METRICS_FILE, "\n".join(map(json.dumps, records)).encode())
        draft.commit({"seconds": 10.0})
    assert read(store, tmp_path).shards[0].seconds == 30.0


def test_a_shard_without_a_manifest_does_not_exist(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.Plan(questions=3))
    store.delete(f"{layout.trained_shard_path('main', 2)}/{layout.MANIFEST}")
    assert [shard.number for shard in read(store, tmp_path).shards] == [0, 1]


def test_what_is_not_there_yet_is_left_out(store: Store, tmp_path: Path) -> None:
    plan = factory.Plan()
    factory.make_catalogue(store, plan)
    runs.freeze(store, "main", {"model": "base"})
    factory.make_shard(store, plan, 0)
    found = read(store, tmp_path)
    assert found.stages == ()
    assert found.batch_figures is None
    assert found.model_figures == {}


def test_a_batch_that_is_not_wanted_is_not_read(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.Plan(questions=3))
    assert read(store, tmp_path, batch="").batch_figures is None


def test_an_unknown_figure_of_an_epoch_is_ignored_and_a_missing_one_is_unknown(store: Store, tmp_path: Path) -> None:
    plan = factory.Plan()
    factory.make_catalogue(store, plan)
    runs.freeze(store, "main", {"model": "base"})
    with artifact.draft(store, layout.trained_shard_path("main", 0), layout.Kind.TRAINED_SHARD, {}, {}) as draft:
        draft.add_bytes(
            layout.METRICS_FILE, json.dumps({"shard": 0, "epoch": 0, "rouge1": 0.1, "moon": "full"}).encode()
        )
        draft.commit({})
    (shard,) = read(store, tmp_path).shards
    assert shard.epochs[0].rouge1 == 0.1
    assert shard.epochs[0].training_loss is None
    assert shard.seconds is None


def test_the_digests_change_with_any_source(store: Store) -> None:
    plan = factory.Plan(questions=3)
    factory.make(store, plan)
    before = history.find(store, "main", "main", "main").digests()
    artifact.remove(store, "exports/main")
    factory.make_batch(store, published=1)
    after = history.find(store, "main", "main", "main").digests()
    assert {name for name in before if before[name] != after[name]} == {"export"}


def test_the_reference_run_has_ten_shards_of_three_epochs_and_its_blanks_stay_blank() -> None:
    found = history.reference_run()
    assert [(epoch.shard, epoch.epoch) for epoch in found] == [
        (shard, epoch) for shard in range(10) for epoch in (1, 2, 3)
    ]
    assert found[0].training_loss == 3.5787
    assert found[17].rougeL is None
    assert all(epoch.validation_loss is not None for epoch in found if (epoch.shard, epoch.epoch) != (5, 3))


def test_it_looks_for_what_the_jobs_write() -> None:
    assert history.EVALUATION_KIND == evaluate.KIND
    assert (history.ANSWERS_FILE, history.SCORES_FILE) == (evaluate.ANSWERS_FILE, evaluate.SCORES_FILE)
    assert history.EXPORT_KIND == batch_files.KIND
    assert questions.GROUPS == (history.HELD_OUT, history.OWN_SHARD, history.FIRST_SHARD)
    assert factory.answer_schema().names == scorecard.schema().names
