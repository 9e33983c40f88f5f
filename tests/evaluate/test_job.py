"""Every stage of a run is asked the same questions, and its marks are what the answers deserve."""

import json
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from jobs.evaluate import job as evaluate
from jobs.evaluate import scorecard
from jobs.evaluate import settings as evaluate_settings
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.quality import metrics
from jobs.storage import artifact, catalogue, runs
from jobs.storage.artifact import Artifact
from tests.ready import HELD_OUT, NAME, SHARDS, Ready

CHOSEN = {"catalogue": NAME, "run": NAME, "model": NAME, "questions": 6, "answer_max_tokens": 16, "threads": 1}
NAMES = ["base", "base-retrieval", "shard-00000", "shard-00001", "shard-00001-retrieval"]


def evaluated(ready: Ready, **chosen: Any) -> None:
    evaluate.run(evaluate_settings.Settings.model_validate({"store": ready.store.url, **CHOSEN, **chosen}))


def stage(ready: Ready, name: str) -> Artifact:
    return artifact.require(ready.store, evaluate.stage_path(NAME, name), evaluate.KIND, "evaluate")


def answers_of(found: Artifact, folder: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(found.fetch("answers.parquet", folder)).to_pylist())


def scores_of(found: Artifact, folder: Path) -> dict[str, Any]:
    return dict(json.loads(found.fetch("scores.json", folder).read_text()))


@pytest.fixture
def whole(ready: Ready) -> Ready:
    """Every stage evaluated; done already after the first test that asks."""
    evaluated(ready)
    return ready


def test_the_stages_are_the_base_model_every_shard_and_both_ends_with_retrieval() -> None:
    assert [item.name for item in evaluate.stages(SHARDS)] == NAMES
    assert [item.name for item in evaluate.stages(1)] == [
        "base",
        "base-retrieval",
        "shard-00000",
        "shard-00000-retrieval",
    ]


def test_every_stage_answers_the_same_questions(whole: Ready, tmp_path: Path) -> None:
    asked: dict[str, dict[str, list[str]]] = {}
    for name in NAMES:
        rows = answers_of(stage(whole, name), tmp_path)
        asked[name] = {
            group: [row["uid"] for row in rows if row["group"] == group]
            for group in ("held-out", "own-shard", "first-shard")
        }
        assert [row["group"] for row in rows] == sorted((row["group"] for row in rows), key=list(asked[name]).index)
    held_out = whole.catalogue.read_held_out(tmp_path)["uid"].to_pylist()
    for name in NAMES:
        assert asked[name]["held-out"] == held_out[:6]
        assert asked[name]["first-shard"] == asked["base"]["first-shard"]
    last = whole.catalogue.read_shard(1, tmp_path)
    tests = last.filter(pc.equal(last["split"], catalogue.TEST))["uid"].to_pylist()
    assert asked["shard-00001"]["own-shard"] == tests[:6]
    assert asked["base"]["own-shard"] == asked["base"]["first-shard"]


def test_answers_come_with_their_references_and_marks(whole: Ready, tmp_path: Path) -> None:
    found = stage(whole, "shard-00001")
    table = pq.read_table(found.fetch("answers.parquet", tmp_path))
    assert table.schema.remove_metadata() == scorecard.schema()
    held_out = {row["uid"]: row for row in whole.catalogue.read_held_out(tmp_path).to_pylist()}
    rows = [row for row in table.to_pylist() if row["group"] == "held-out"]
    for row in rows:
        assert (row["title"], row["reference"]) == (held_out[row["uid"]]["title"], held_out[row["uid"]]["content"])
        [rouge] = metrics.rouge([row["answer"]], [row["reference"]])
        assert (row["rouge1"], row["rougeL"]) == (rouge.rouge1, rouge.rougeL)
        assert row["loss"] > 0
        assert 0 < row["tokens"] <= 16
        assert row["neighbours"] == []


def test_scores_are_the_means_of_the_answers(whole: Ready, tmp_path: Path) -> None:
    for name in NAMES:
        found = stage(whole, name)
        scores, rows = scores_of(found, tmp_path), answers_of(found, tmp_path)
        assert scores["stage"] == name
        assert scores["retrieval"] == name.endswith("-retrieval")
        assert list(scores["groups"]) == ["held-out", "own-shard", "first-shard"]
        some = [row for row in rows if row["group"] == "held-out"]
        group = scores["groups"]["held-out"]
        assert group["questions"] == len(some) == 6
        for mark in ("loss", "rouge1", "rouge2", "rougeL", "rougeLsum", "repetition"):
            assert group[mark]["value"] == pytest.approx(sum(row[mark] for row in some) / len(some))
            assert group[mark]["low"] <= group[mark]["value"] <= group[mark]["high"]
        assert group["flagged"]["value"] == pytest.approx(sum(bool(row["flags"]) for row in some) / len(some))
        assert found.manifest.figures["loss"] == pytest.approx(group["loss"]["value"], abs=1e-6)


def test_each_stage_names_its_model(whole: Ready, tmp_path: Path) -> None:
    assert scores_of(stage(whole, "base"), tmp_path) | {"seconds": 0} == scores_of(stage(whole, "base"), tmp_path) | {
        "model_digest": whole.base.digest, "shard": None, "seconds": 0,
    }  # fmt: skip
    last = runs.trained_shard(whole.store, NAME, 1)
    for name in ("shard-00001", "shard-00001-retrieval"):
        found = stage(whole, name)
        assert found.manifest.inputs["model"] == last.digest
        assert scores_of(found, tmp_path)["model_digest"] == last.digest
        assert scores_of(found, tmp_path)["shard"] == 1


def test_retrieval_shows_train_rows_and_changes_the_answers(whole: Ready, tmp_path: Path) -> None:
    train = set()
    for shard in range(SHARDS):
        rows = whole.catalogue.read_shard(shard, tmp_path)
        train |= set(rows.filter(pc.equal(rows["split"], catalogue.TRAIN))["uid"].to_pylist())
    plain, retrieved = (answers_of(stage(whole, name), tmp_path) for name in ("base", "base-retrieval"))
    assert all(len(row["neighbours"]) == 3 and train.issuperset(row["neighbours"]) for row in retrieved)
    assert [row["answer"] for row in plain] != [row["answer"] for row in retrieved]
    assert [row["loss"] for row in plain] != [row["loss"] for row in retrieved]


def test_baselines_stand_beside_the_answers(whole: Ready, tmp_path: Path) -> None:
    plain = scores_of(stage(whole, "base"), tmp_path)["baselines"]
    assert list(plain) == ["title-repeated"]
    both = scores_of(stage(whole, "base-retrieval"), tmp_path)["baselines"]
    assert list(both) == ["title-repeated", "nearest-neighbour"]
    assert both["title-repeated"] == plain["title-repeated"]
    rows = [row for row in answers_of(stage(whole, "base"), tmp_path) if row["group"] == "held-out"]
    repeated = metrics.rouge([row["title"] for row in rows], [row["reference"] for row in rows])
    assert plain["title-repeated"]["rouge1"]["value"] == pytest.approx(metrics.mean(repeated).rouge1)
    assert both["nearest-neighbour"]["rougeL"]["value"] > 0


def test_a_second_run_finds_every_stage_done(whole: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    before = [stage(whole, name) for name in NAMES]
    capsys.readouterr()
    evaluated(whole)
    assert [stage(whole, name) for name in NAMES] == before
    assert capsys.readouterr().err.count("already done") == len(NAMES)


def test_one_index_is_one_stage_with_the_same_answers(whole: Ready, tmp_path: Path) -> None:
    path = evaluate.stage_path(NAME, "shard-00001-retrieval")
    before = stage(whole, "shard-00001-retrieval")
    answers = answers_of(before, tmp_path)
    artifact.remove(whole.store, path)
    evaluated(whole, index=3)
    assert artifact.find(whole.store, path) is None
    evaluated(whole, index=4)
    assert answers_of(stage(whole, "shard-00001-retrieval"), tmp_path) == answers
    assert stage(whole, "shard-00001-retrieval").digest == before.digest
    evaluated(whole, index=5)


def test_other_questions_are_another_evaluation(whole: Ready) -> None:
    with pytest.raises(ConfigurationError, match="questions was 6, now 7"):
        evaluated(whole, questions=7)


def test_a_model_or_an_index_that_is_missing_is_worth_a_retry(ready: Ready) -> None:
    with pytest.raises(NotReadyError, match="fetch-model --model other"):
        evaluated(ready, model="other", run="other")
    with pytest.raises(NotReadyError, match="train --run other --index 0"):
        evaluated(ready, run="other", index=2)


def test_more_questions_than_products_ask_all(ready: Ready, tmp_path: Path) -> None:
    evaluated(ready, run="all", questions=1000, index=0)
    found = artifact.require(ready.store, evaluate.stage_path("all", "base"), evaluate.KIND, "")
    groups = scores_of(found, tmp_path)["groups"]
    assert groups["held-out"]["questions"] == HELD_OUT
