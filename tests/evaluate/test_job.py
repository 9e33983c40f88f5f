"""Every stage of a run answers the same questions, and its scores are computed from its answers."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from jobs.evaluate import job, scorecard
from jobs.evaluate.settings import Settings
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.quality.rouge import mean_rouge, rouge_scores
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.layout import Kind, QuestionGroup
from tests.ready import HELD_OUT, NAME, SHARDS, Ready, write_merged_model

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_vectors")]

SETTINGS = {"catalogue": NAME, "run": NAME, "model": NAME, "questions": 6, "answer_max_tokens": 16, "words_only": True}
STAGES = ["base", "base-retrieval", "shard-00000", "shard-00001", "shard-00001-retrieval"]
GROUPS = [group.value for group in QuestionGroup]


def evaluate(ready: Ready, **settings: Any) -> None:
    job.run(Settings.model_validate({"store": ready.store.url, **SETTINGS, **settings}))


def stage(ready: Ready, name: str, run: str = NAME) -> Artifact:
    return artifact.require(ready.store, layout.evaluation_path(run, name), Kind.EVALUATION, "evaluate")


def answers_of(evaluation: Artifact, folder: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(evaluation.fetch(layout.ANSWERS_FILE, folder)).to_pylist())


def scores_of(evaluation: Artifact, folder: Path) -> dict[str, Any]:
    return dict(json.loads(evaluation.fetch(layout.SCORES_FILE, folder).read_text()))


@pytest.fixture
def evaluated(ready: Ready) -> Ready:
    """The run with every stage evaluated. Only the first test that needs it waits for the evaluation."""
    evaluate(ready)
    return ready


def test_only_the_stages_of_the_trained_shards_are_evaluated(ready: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(ready, max_shards=1, index=4)
    assert '"nothing to do: no stage with this index", "index": 4, "stages": 4' in capsys.readouterr().err


def test_every_stage_answers_the_same_questions(evaluated: Ready, tmp_path: Path) -> None:
    uids: dict[str, dict[str, list[str]]] = {}
    for name in STAGES:
        rows = answers_of(stage(evaluated, name), tmp_path)
        uids[name] = {group: [row["uid"] for row in rows if row["group"] == group] for group in GROUPS}
        assert [row["group"] for row in rows] == sorted((row["group"] for row in rows), key=GROUPS.index)
    held_out = evaluated.catalogue.read_held_out(tmp_path)["uid"].to_pylist()
    for name in STAGES:
        assert uids[name]["held-out"] == held_out[:6]
        assert uids[name]["first-shard"] == uids["base"]["first-shard"]
    last = evaluated.catalogue.read_shard(1, tmp_path)
    tests = last.filter(pc.equal(last["split"], catalogue.TEST))["uid"].to_pylist()
    assert uids["shard-00001"]["own-shard"] == tests[:6]
    assert uids["base"]["own-shard"] == uids["base"]["first-shard"]


def test_a_stage_of_shards_that_were_trained_at_once_has_their_merged_model(ready: Ready) -> None:
    runs.freeze(ready.store, "rounds", {"catalogue": NAME, "model": NAME, "shards_at_once": 2})
    with pytest.raises(NotReadyError, match="train --run rounds`"):
        evaluate(ready, run="rounds", index=2)
    merged = write_merged_model(ready.store, "rounds", range(2), runs.base_model(ready.store, f"{NAME}-1"))
    evaluate(ready, run="rounds", index=2)
    assert stage(ready, "shard-00001", "rounds").manifest.inputs["model"] == merged.digest
    evaluate(ready, run="rounds", index=4)
    assert ready.store.folders("runs/rounds/evaluation/") == ["shard-00001"]


def test_each_answer_has_its_reference_and_its_scores(evaluated: Ready, tmp_path: Path) -> None:
    table = pq.read_table(stage(evaluated, "shard-00001").fetch(layout.ANSWERS_FILE, tmp_path))
    assert table.schema.remove_metadata() == scorecard.schema()
    held_out = {row["uid"]: row for row in evaluated.catalogue.read_held_out(tmp_path).to_pylist()}
    rows = [row for row in table.to_pylist() if row["group"] == "held-out"]
    assert len(rows) == 6
    for row in rows:
        assert (row["title"], row["reference"]) == (held_out[row["uid"]]["title"], held_out[row["uid"]]["content"])
        [rouge] = rouge_scores([row["answer"]], [row["reference"]])
        assert (row["rouge1"], row["rougeL"]) == (rouge.rouge1, rouge.rougeL)
        assert row["loss"] > 0
        assert 0 < row["tokens"] <= 16
        assert row["neighbours"] == []


def test_scores_are_the_means_of_the_answers(evaluated: Ready, tmp_path: Path) -> None:
    for name in STAGES:
        evaluation = stage(evaluated, name)
        scores, rows = scores_of(evaluation, tmp_path), answers_of(evaluation, tmp_path)
        assert scores["stage"] == name
        assert scores["retrieval"] == name.endswith("-retrieval")
        assert list(scores["groups"]) == GROUPS
        held_out = [row for row in rows if row["group"] == "held-out"]
        group = scores["groups"]["held-out"]
        assert group["questions"] == len(held_out) == 6
        for score in ("loss", "rouge1", "rouge2", "rougeL", "rougeLsum", "repetition"):
            assert group[score]["value"] == pytest.approx(sum(row[score] for row in held_out) / 6)
            assert group[score]["low"] <= group[score]["value"] <= group[score]["high"]
        assert group["flagged"]["value"] == pytest.approx(sum(bool(row["flags"]) for row in held_out) / 6)
        assert evaluation.manifest.figures["loss"] == pytest.approx(group["loss"]["value"], abs=1e-6)


def test_each_stage_records_its_model(evaluated: Ready, tmp_path: Path) -> None:
    models = {None: evaluated.base} | {
        shard: runs.trained_shard(evaluated.store, NAME, shard) for shard in range(SHARDS)
    }
    shards = dict(zip(STAGES, (None, None, 0, 1, 1), strict=True))
    for name, shard in shards.items():
        evaluation = stage(evaluated, name)
        scores = scores_of(evaluation, tmp_path)
        assert (scores["shard"], scores["model_digest"]) == (shard, models[shard].digest)
        assert evaluation.manifest.inputs["model"] == models[shard].digest


def test_the_config_is_that_of_earlier_versions(evaluated: Ready) -> None:
    config = {
        "questions": 6, "reference_max_tokens": 512, "seed": 13, "prompt_max_tokens": 384, "beam_size": 1,
        "no_repeat_ngram": 3, "repetition_penalty": 1.2, "min_target_tokens": 8, "max_target_tokens": 16,
        "words_only": True,  # which earlier versions did not record
    }  # fmt: skip
    plain, retrieval = (dict(stage(evaluated, name).manifest.settings) for name in STAGES[:2])
    assert plain == config | {"precision": plain["precision"]}
    assert retrieval == plain | {"neighbours": 3}


def test_retrieval_uses_training_rows_and_changes_the_answers(evaluated: Ready, tmp_path: Path) -> None:
    train = set()
    for shard in range(SHARDS):
        rows = evaluated.catalogue.read_shard(shard, tmp_path)
        train |= set(rows.filter(pc.equal(rows["split"], catalogue.TRAIN))["uid"].to_pylist())
    plain, retrieved = (answers_of(stage(evaluated, name), tmp_path) for name in ("base", "base-retrieval"))
    assert all(len(row["neighbours"]) == 3 and train.issuperset(row["neighbours"]) for row in retrieved)
    assert [row["answer"] for row in plain] != [row["answer"] for row in retrieved]
    assert [row["loss"] for row in plain] != [row["loss"] for row in retrieved]


def test_the_baselines_are_the_title_and_the_nearest_neighbour(evaluated: Ready, tmp_path: Path) -> None:
    plain = scores_of(stage(evaluated, "base"), tmp_path)["baselines"]
    assert list(plain) == ["title-repeated"]
    both = scores_of(stage(evaluated, "base-retrieval"), tmp_path)["baselines"]
    assert list(both) == ["title-repeated", "nearest-neighbour"]
    assert both["title-repeated"] == plain["title-repeated"]
    rows = [row for row in answers_of(stage(evaluated, "base"), tmp_path) if row["group"] == "held-out"]
    repeated = rouge_scores([row["title"] for row in rows], [row["reference"] for row in rows])
    assert plain["title-repeated"]["rouge1"]["value"] == pytest.approx(mean_rouge(repeated).rouge1)
    assert both["nearest-neighbour"]["rougeL"]["value"] > 0


def test_a_second_run_evaluates_no_stage_again(evaluated: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    before = [stage(evaluated, name) for name in STAGES]
    capsys.readouterr()
    evaluate(evaluated)
    assert [stage(evaluated, name) for name in STAGES] == before
    assert capsys.readouterr().err.count("already done") == len(STAGES)


def test_finished_stages_are_found_without_loading_torch(evaluated: Ready) -> None:
    flags = ["--store", evaluated.store.url, "--catalogue", NAME, "--run", NAME, "--model", NAME, "--questions", "6"]
    flags += ["--answer-max-tokens", "16", "--words-only"]
    command = [sys.executable, "-X", "importtime", "-m", "jobs", "evaluate", *flags]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert log.count("already done") == len(STAGES)
    assert "jobs.evaluate.questions" in log
    assert "jobs.evaluate.evaluator" not in log
    assert " torch\n" not in log


def test_an_index_evaluates_one_stage_with_the_same_answers(evaluated: Ready, tmp_path: Path) -> None:
    path = layout.evaluation_path(NAME, "shard-00001-retrieval")
    before = stage(evaluated, "shard-00001-retrieval")
    artifact.remove(evaluated.store, path)
    evaluate(evaluated, index=3)
    assert artifact.find(evaluated.store, path) is None
    evaluate(evaluated, index=4)
    assert stage(evaluated, "shard-00001-retrieval").digest == before.digest


def test_an_index_without_a_stage_succeeds(ready: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(ready, index=len(STAGES))
    assert "no stage with this index" in capsys.readouterr().err


def test_different_settings_are_an_error_that_names_them(evaluated: Ready) -> None:
    with pytest.raises(ConfigurationError, match="questions was 6, now 7"):
        evaluate(evaluated, questions=7)


def test_a_missing_model_is_retried(ready: Ready) -> None:
    with pytest.raises(NotReadyError, match="fetch-model --model other"):
        evaluate(ready, model="other", run="other")
    with pytest.raises(NotReadyError, match="train --run other --index 0"):
        evaluate(ready, run="other", index=2)


def test_another_base_model_than_that_of_the_run_is_a_configuration_error(ready: Ready) -> None:
    other = runs.base_model(ready.store, f"{NAME}-0")
    runs.freeze(ready.store, "based", {"model": NAME, "base_model_digest": ready.base.digest})
    with pytest.raises(ConfigurationError) as raised:
        evaluate(ready, run="based", model=f"{NAME}-0", index=0)
    for named in (f"'{NAME}'", ready.base.digest, other.url, other.digest, "--model"):
        assert named in str(raised.value)
    assert artifact.find(ready.store, layout.evaluation_path("based", "base")) is None
    evaluate(ready, run="based", index=0, questions=2)
    assert stage(ready, "base", run="based").manifest.inputs["model"] == ready.base.digest


def test_another_catalogue_than_that_of_the_run_is_a_configuration_error(ready: Ready) -> None:
    with artifact.draft(ready.store, layout.catalogue_path("other"), Kind.CATALOGUE, {}, {}) as draft:
        draft.add_bytes(layout.shard_file(0), b"")
        draft.commit({})
    with pytest.raises(
        ConfigurationError, match=f"trained on catalogue '{NAME}', not on 'other': use --catalogue {NAME}"
    ):
        evaluate(ready, catalogue="other")


def test_a_group_with_fewer_products_than_questions_uses_all_of_them(ready: Ready, tmp_path: Path) -> None:
    evaluate(ready, run="all", questions=1000, index=0)
    groups = scores_of(stage(ready, "base", run="all"), tmp_path)["groups"]
    assert groups["held-out"]["questions"] == HELD_OUT
