"""Answers are checked as `describe` checks them: with the matcher, and with the nearest products although no prompt has them."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.describe import job as describe
from jobs.describe.settings import Settings as DescribeSettings
from jobs.evaluate import job, scorecard
from jobs.evaluate.questions import Question
from jobs.evaluate.settings import Settings
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.quality.checks import Checker
from jobs.storage import artifact, layout
from jobs.storage.catalogue import Title
from jobs.storage.layout import MANIFEST, Kind, QuestionGroup
from jobs.storage.manifest import from_json
from jobs.t5.generation import Answer
from tests.quality.matchers import commit_matcher, share_matcher
from tests.ready import HELD_OUT, NAME, SHARDS, Ready, write_trained_shard

pytestmark = pytest.mark.slow

RUN = "checked"
LAST = SHARDS + 1
"""The index of the last trained shard without retrieval: two stages of the base model come first."""


@pytest.fixture
def checked(ready: Ready) -> Iterator[Ready]:
    """A run of its own with the trained shards of the finished run, removed at the end with all that a test made."""
    for shard in range(SHARDS):
        model = artifact.require(ready.store, layout.model_path(f"{NAME}-{shard}"), Kind.MODEL, "fetch-model")
        write_trained_shard(ready.store, RUN, shard, model)
    yield ready
    for path in (layout.run_path(RUN), layout.EXPORTS, layout.MATCHERS):
        for stored in list(ready.store.objects(path)):
            ready.store.delete(stored.key)


def evaluate(ready: Ready, **settings: Any) -> None:
    values = {"store": ready.store.url, "catalogue": NAME, "run": RUN, "model": NAME, "questions": HELD_OUT}
    job.run(Settings.model_validate({**values, "answer_max_tokens": 16, "index": LAST, **settings}))


def held_out_answers(ready: Ready, folder: Path) -> list[dict[str, Any]]:
    path = layout.evaluation_path(RUN, layout.stage_name(SHARDS - 1, False))
    made = artifact.require(ready.store, path, Kind.EVALUATION, "evaluate")
    rows = pq.read_table(made.fetch(layout.ANSWERS_FILE, folder)).to_pylist()
    return [row for row in rows if row["group"] == "held-out"]


def test_answers_are_flagged_as_the_same_texts_of_a_batch_are(checked: Ready, tmp_path: Path) -> None:
    commit_matcher(checked.store, share_matcher(publish_from=0.999))
    evaluate(checked)
    values = {
        "store": checked.store.url,
        "catalogue": NAME,
        "run": RUN,
        "batch": "same",
        "neighbours": 0,
        "split": "all",  # enough titles for no candidates: none are generated if none of the first texts passes
    }
    describe.run(DescribeSettings.model_validate({**values, "answer_max_tokens": 16}))
    batch = artifact.require(checked.store, layout.export_path("same"), Kind.EXPORT, "describe")
    with tempfile.TemporaryDirectory() as folder:
        paths = [batch.fetch(name, Path(folder)) for name in batch.names() if name.endswith(".parquet")]
        described = {row["uid"]: row for path in paths for row in pq.read_table(path).to_pylist()}
    for answer in held_out_answers(checked, tmp_path):
        row = described[answer["uid"]]
        flags = [flag for flag in row["flags"] if flag != "generic"]  # its part has other texts beside it
        assert (answer["answer"], answer["flags"]) == (row["description"], flags)
        assert answer["probability"] == pytest.approx(row["probability"])
        assert answer["neighbours"] == []  # they are not in its prompt
        assert "off-title" in answer["flags"]


def test_answers_of_a_group_are_compared_with_each_other_only() -> None:
    held_out, own = QuestionGroup.HELD_OUT, QuestionGroup.OWN_SHARD
    titles = [Title(str(number), f"Cup Number {number}", str(number), number) for number in range(8)]
    questions = [Question(held_out, title, "") for title in titles[:5]] + [
        Question(own, title, "") for title in titles[5:]
    ]
    answers = [Answer("A cup with a number, for tea or coffee.", 9, ended=True, score=-0.1)] * 8
    checked = scorecard.check_answers(questions, answers, [[]] * 8, Checker())
    assert ["generic" in scores.flags for scores in checked] == [True] * 5 + [False] * 3


def test_a_threshold_of_the_user_decides_as_in_a_batch(checked: Ready, tmp_path: Path) -> None:
    commit_matcher(checked.store, share_matcher(publish_from=0.999))
    evaluate(checked, publish_from=0.001)
    assert not any("off-title" in row["flags"] for row in held_out_answers(checked, tmp_path))
    with pytest.raises(ConfigurationError, match=r"publish_from was 0\.001, now absent"):
        evaluate(checked)


def test_numbers_that_more_neighbours_must_have_are_another_evaluation(checked: Ready, tmp_path: Path) -> None:
    evaluate(checked, words_only=True, neighbours=8)
    before = sum("invented" in row["flags"] for row in held_out_answers(checked, tmp_path))
    with pytest.raises(ConfigurationError, match="number_support was absent, now 8"):
        evaluate(checked, words_only=True, neighbours=8, number_support=8)
    evaluate(checked, words_only=True, neighbours=8, number_support=8, replace=True)
    assert sum("invented" in row["flags"] for row in held_out_answers(checked, tmp_path)) >= before


def test_another_matcher_is_another_evaluation(checked: Ready) -> None:
    commit_matcher(checked.store, share_matcher())
    evaluate(checked)
    commit_matcher(checked.store, share_matcher(publish_from=0.9), "other")
    with pytest.raises(ConfigurationError, match="matcher was"):
        evaluate(checked, matcher="other")
    evaluate(checked, matcher="other", replace=True)


def test_without_its_matcher_an_evaluation_is_retried_until_it_exists(checked: Ready) -> None:
    with pytest.raises(NotReadyError, match="match --matcher absent"):
        evaluate(checked, matcher="absent")


def test_an_evaluation_of_an_earlier_version_is_kept(checked: Ready, capsys: pytest.CaptureFixture[str]) -> None:
    """It was checked by words only, and recorded neither that nor a matcher."""
    evaluate(checked, words_only=True)
    path = f"{layout.evaluation_path(RUN, layout.stage_name(SHARDS - 1, False))}/{MANIFEST}"
    made = from_json(checked.store.read(path) or b"", path)
    settings = {name: value for name, value in made.settings.items() if name != "words_only"}
    checked.store.write(path, replace(made, settings=settings).to_json())
    commit_matcher(checked.store, share_matcher())
    for words_only in (True, False):
        capsys.readouterr()
        evaluate(checked, words_only=words_only)
        assert "already done" in capsys.readouterr().err


def test_an_evaluation_by_words_only_is_another_one_than_with_a_matcher(checked: Ready) -> None:
    commit_matcher(checked.store, share_matcher())
    evaluate(checked, words_only=True)
    with pytest.raises(ConfigurationError, match="words_only was True, now absent"):
        evaluate(checked)
    evaluate(checked, replace=True)
    with pytest.raises(ConfigurationError, match="matcher was"):
        evaluate(checked, words_only=True)
