"""The history of a run: what is read from its artifacts."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from jobs.evaluate import scorecard
from jobs.process.errors import InputError
from jobs.report import history, sources
from jobs.storage import artifact, layout, runs
from jobs.storage.layout import Kind, QuestionGroup
from jobs.storage.store import Store
from tests import report_factory as factory


def read(store: Store, folder: Path, batch: str = "main") -> history.History:
    return history.read(sources.find(store, "main", "main", batch), folder)


def test_it_has_every_shard_epoch_stage_and_answer(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.RunShape(questions=5))
    run = read(store, tmp_path)
    assert [shard.number for shard in run.shards] == [0, 1, 2]
    assert [len(shard.epochs) for shard in run.shards] == [3, 3, 3]
    assert [stage.name for stage in run.stages] == [
        "base", "base-retrieval", "shard-00000", "shard-00001", "shard-00002", "shard-00002-retrieval"
    ]  # fmt: skip
    assert [stage.answers.num_rows for stage in run.stages] == [15] * 6
    assert run.stages[0].groups[QuestionGroup.HELD_OUT].questions == 5
    assert run.catalogue.statistics["rejected"] == {"no-content": 41, "no-title": 12, "not-json": 7}
    assert run.batch_figures is not None
    assert run.batch_scores["rows"] == 10
    assert run.batch_scores["grounding"] == pytest.approx(0.945)


def test_the_seconds_of_a_shard_are_at_least_those_of_its_epochs(store: Store, tmp_path: Path) -> None:
    records = [{"shard": 0, "epoch": epoch, "seconds": 10.0} for epoch in (1, 2, 3)]
    write_shard(store, records, {"seconds": 10.0})
    assert read(store, tmp_path).shards[0].seconds == 30.0


def train(store: Store, shard: int, parent: str, seed: int) -> str:
    """Commit a trained shard that records its parent, in the place of an earlier one. Returns its digest."""
    path = layout.trained_shard_path("main", shard)
    artifact.remove(store, path)
    with artifact.draft(store, path, Kind.TRAINED_SHARD, {"seed": seed}, {"parent": parent}) as draft:
        draft.add_bytes(layout.METRICS_FILE, b'{"epoch": 1}')
        return draft.commit({}).digest


def test_the_shards_after_one_that_was_trained_again_are_outdated(store: Store, tmp_path: Path) -> None:
    factory.make_catalogue(store, factory.RunShape())
    runs.freeze(store, "main", {"model": "base"})
    parent = "f" * 64
    for shard in range(3):
        parent = train(store, shard, parent, seed=1)
    assert read(store, tmp_path / "chain").outdated_shards == ()
    train(store, 0, "f" * 64, seed=2)
    assert read(store, tmp_path / "broken").outdated_shards == (1, 2)


def test_artifacts_that_do_not_exist_yet_are_left_out(store: Store, tmp_path: Path) -> None:
    write_shard(store, [{"epoch": 1}], {})
    run = read(store, tmp_path)
    assert run.stages == ()
    assert run.batch_figures is None
    assert run.model_figures == {}


def test_a_batch_is_not_read_if_none_is_asked_for(store: Store, tmp_path: Path) -> None:
    factory.make(store, factory.RunShape(questions=3))
    assert read(store, tmp_path, batch="").batch_figures is None


def test_an_unknown_figure_of_an_epoch_is_ignored_and_a_missing_one_is_none(store: Store, tmp_path: Path) -> None:
    write_shard(store, [{"shard": 0, "epoch": 0, "rouge1": 0.1, "moon": "full"}], {})
    (shard,) = read(store, tmp_path).shards
    assert shard.epochs[0].rouge1 == 0.1
    assert shard.epochs[0].training_loss is None
    assert shard.seconds is None


def test_statistics_that_are_no_json_object_are_a_bad_input(store: Store, tmp_path: Path) -> None:
    with artifact.draft(store, layout.catalogue_path("main"), Kind.CATALOGUE, {}, {}) as draft:
        draft.add_bytes(layout.shard_file(0), b"")
        draft.add_bytes(layout.STATISTICS_FILE, b"[]")
        draft.commit({})
    runs.freeze(store, "main", {"model": "base"})
    factory.make_shard(store, factory.RunShape(), 0)
    with pytest.raises(InputError, match=r"statistics\.json holds list, expected a JSON object"):
        read(store, tmp_path)


def test_the_factory_writes_answers_with_the_columns_of_evaluate() -> None:
    assert factory.answer_schema().names == scorecard.schema().names


def write_shard(store: Store, records: Sequence[Mapping[str, object]], figures: Mapping[str, object]) -> None:
    """Commit a catalogue and a run with one shard that reported these epochs."""
    factory.make_catalogue(store, factory.RunShape())
    runs.freeze(store, "main", {"model": "base"})
    with artifact.draft(store, layout.trained_shard_path("main", 0), Kind.TRAINED_SHARD, {}, {}) as draft:
        draft.add_bytes(layout.METRICS_FILE, "\n".join(map(json.dumps, records)).encode())
        draft.commit(figures)
