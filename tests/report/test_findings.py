"""Findings: what is said of two models is what their answers carry, and no more."""

import pyarrow as pa

from jobs.quality.metrics import Interval
from jobs.report import findings, history
from jobs.report.history import Data, Group, History, Stage
from tests import report_factory as factory

SEED = 13


def stage(
    shard: int | None, rouge: float, loss: float, retrieval: bool = False, noise: float = 0.0, first: float = 3.0
) -> Stage:
    """A stage that answered 40 questions of two groups; `noise` moves every other answer up, the next one down."""
    answers = []
    for group, group_loss in ((history.HELD_OUT, loss), (history.FIRST_SHARD, first)):
        for number in range(40):
            shift = noise if number % 2 else -noise
            answers.append(
                {
                    "group": group, "uid": f"{number}", "title": "", "reference": "", "answer": "", "neighbours": [], "rouge1": 0.0,
                    "rouge2": 0.0, "rougeL": rouge + shift, "rougeLsum": 0.0, "loss": group_loss + shift, "repetition": 0.0,
                    "flags": [], "tokens": 1,
                }
            )  # fmt: skip
    table = pa.Table.from_pylist(answers, schema=factory.answer_schema())
    groups = {
        name: Group(40, {"rougeL": Interval(rouge, rouge - 0.01, rouge + 0.01), "loss": Interval(value, value, value)})
        for name, value in ((history.HELD_OUT, loss), (history.FIRST_SHARD, first))
    }
    baselines = {"nearest-neighbour": {"rougeL": Interval(0.2, 0.19, 0.21)}}
    return Stage("", shard, retrieval, groups, baselines, table, 1.0)


def run_of(*stages: Stage, trained: int = 1, total: int = 1) -> History:
    shards = tuple(history.TrainedShard(number, (), None, None, None, None, "2026-01-01") for number in range(trained))
    return History("main", {}, "base", {}, Data("main", total, {}, {}), shards, stages, "", None, {}, ())


def test_a_model_that_gained_on_every_question_is_better() -> None:
    found = run_of(stage(None, 0.1, 3.5), stage(0, 0.15, 3.1))
    assert findings.verdict(found, SEED) == "The trained model is better than the base model."


def test_a_model_that_lost_on_every_question_is_worse() -> None:
    found = run_of(stage(None, 0.1, 3.5), stage(0, 0.08, 3.9))
    assert findings.verdict(found, SEED) == "The trained model is worse than the base model."
    assert {card.tone for card in findings.cards(found, SEED, 0)[:2]} == {"bad"}


def test_gains_and_losses_that_cancel_out_are_no_difference() -> None:
    found = run_of(stage(None, 0.1, 3.5), stage(0, 0.1, 3.5, noise=0.05))
    assert findings.verdict(found, SEED).startswith("The held-out questions show no difference")
    assert {card.tone for card in findings.cards(found, SEED, 0)[:2]} == {"plain"}


def test_better_in_one_figure_and_worse_in_the_other_is_mixed() -> None:
    found = run_of(stage(None, 0.1, 3.5), stage(0, 0.15, 3.9))
    assert (
        findings.verdict(found, SEED)
        == "Mixed: the trained model is better than the base model in ROUGE-L and worse in loss."
    )


def test_better_in_one_figure_alone_says_which() -> None:
    found = run_of(stage(None, 0.1, 3.5), stage(0, 0.1, 3.1))
    assert "better than the base model in loss; ROUGE-L shows no clear difference" in findings.verdict(found, SEED)


def test_without_a_base_model_nothing_is_compared() -> None:
    assert findings.verdict(run_of(stage(0, 0.1, 3.5)), SEED).startswith("Nothing is compared yet")


def test_forgetting_is_a_rise_of_the_loss_on_the_first_shard_since_it_was_trained() -> None:
    stages = (stage(None, 0.1, 3.5, first=3.9), stage(0, 0.12, 3.2, first=3.0), stage(1, 0.13, 3.1, first=3.3))
    text = " ".join(findings.summary(run_of(*stages, trained=2, total=2), SEED))
    assert "The model is forgetting" in text
    assert "3.000 → 3.300, a difference of +0.300" in text


def test_a_baseline_that_scores_higher_is_said() -> None:
    text = " ".join(findings.summary(run_of(stage(None, 0.1, 3.5), stage(0, 0.15, 3.1)), SEED))
    assert "does not reach the baselines: the best baseline (the nearest neighbour's text) scores 0.200" in text


def test_retrieval_that_hurts_is_said() -> None:
    text = " ".join(
        findings.summary(run_of(stage(None, 0.1, 3.5), stage(0, 0.3, 3.1), stage(0, 0.2, 3.1, retrieval=True)), SEED)
    )
    assert "Retrieval hurts: 0.300 → 0.200" in text


def test_a_run_that_is_not_finished_says_so() -> None:
    text = " ".join(findings.summary(run_of(stage(None, 0.1, 3.5), stage(0, 0.15, 3.1), trained=2, total=65), SEED))
    assert "2 of 65 shards are trained" in text
    assert "the model after 1 of the 2 shards trained" in text


def test_models_that_answered_other_questions_are_not_compared() -> None:
    base, last = stage(None, 0.1, 3.5), stage(0, 0.15, 3.1)
    renamed = last.answers.set_column(1, "uid", pa.array([f"other {i}" for i in range(last.answers.num_rows)]))
    other = Stage("", 0, False, last.groups, {}, renamed, 1.0)
    assert findings.compare(base, other, history.HELD_OUT, "rougeL", SEED) is None
    assert "did not answer the same held-out questions" in findings.verdict(run_of(base, other), SEED)


def test_a_baseline_that_one_stage_alone_knows_stands_beside_all() -> None:
    found = run_of(stage(None, 0.1, 3.5), stage(0, 0.15, 3.1))
    alone = Stage("", None, True, {}, {"title-repeated": {}}, found.stages[0].answers, None)
    assert set(findings.baselines(run_of(*found.stages, alone))) == {"nearest-neighbour", "title-repeated"}


def test_answers_that_are_mostly_flagged_are_said_to_be() -> None:
    last = stage(0, 0.15, 3.1)
    flagged = last.answers.drop_columns("flags").append_column("flags", pa.array([["invented"]] * 80))
    group = Group(40, {**last.groups[history.HELD_OUT].scores, "flagged": Interval(1.0, 1.0, 1.0)})
    found = run_of(stage(None, 0.1, 3.5), Stage("", 0, False, {history.HELD_OUT: group}, {}, flagged, 1.0))
    assert "100 % are flagged, most often for this reason: invented number or code" in " ".join(
        findings.summary(found, SEED)
    )
    assert next(card for card in findings.cards(found, SEED, 0) if card.label == "Answers flagged").value == "100 %"
