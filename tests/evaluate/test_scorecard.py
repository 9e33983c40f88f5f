"""The intervals of a stage's scores."""

import pytest

from jobs.evaluate import scorecard
from jobs.evaluate.questions import Question
from jobs.evaluate.scorecard import ScoredAnswer
from jobs.quality import metrics
from jobs.quality.rouge import Rouge
from jobs.storage.catalogue import Title
from jobs.storage.layout import QuestionGroup

SEED = 13


def answers(flagged: int, of: int = 25) -> list[ScoredAnswer]:
    return [
        ScoredAnswer(
            Question(QuestionGroup.HELD_OUT, Title("u", "A cup", "u", row), "A cup."), "A cup.", 3, (), Rouge(0.1, 0.1, 0.1, 0.1), 0.1 * row, 0.0, None,
            ("short",) if row < flagged else (),
        )
        for row in range(of)
    ]  # fmt: skip


@pytest.mark.parametrize(("flagged", "low", "high"), [(0, 0.0, 0.1332), (1, 0.0071, 0.1954), (25, 0.8668, 1.0)])
def test_the_share_of_flagged_answers_has_the_wilson_interval(flagged: int, low: float, high: float) -> None:
    scores = scorecard.group_scores(answers(flagged), SEED)["held-out"]
    assert scores["flagged"] == {
        "value": flagged / 25, "low": pytest.approx(low, abs=1e-4), "high": pytest.approx(high, abs=1e-4),
    }  # fmt: skip


def test_the_mean_of_a_score_has_the_bootstrap_interval() -> None:
    scores = scorecard.group_scores(answers(0), SEED)["held-out"]
    assert scores["loss"] == vars(metrics.bootstrap([0.1 * row for row in range(25)], SEED))
    names = ["questions", "loss", "rouge1", "rouge2", "rougeL", "rougeLsum", "repetition", "flagged"]
    assert list(scores) == names


def test_near_duplicates_do_not_narrow_an_interval() -> None:
    """25 different products, and the same ones four times: the same shares of as many independent ones."""
    one, four = (
        scorecard.group_scores([item for item in answers(5) for _ in range(times)], SEED)["held-out"]
        for times in (1, 4)
    )
    assert four["questions"] == 100
    assert four["flagged"] == pytest.approx(one["flagged"])
    assert four["loss"] == pytest.approx(one["loss"])
