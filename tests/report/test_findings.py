"""The findings and cards of a report: a difference between two models is claimed only if their answers show it."""

from dataclasses import replace

import pyarrow as pa
import pytest

from jobs.quality.metrics import Interval
from jobs.report import comparisons, findings
from jobs.report.cards import cards
from jobs.report.history import CatalogueSummary, GroupScores, History, Stage, TrainedShard
from jobs.storage.layout import QuestionGroup
from tests import report_factory as factory


def stage(
    shard: int | None, rouge: float, loss: float, retrieval: bool = False, noise: float = 0.0, first: float = 3.0
) -> Stage:
    """Return a stage with 40 questions in each of two groups. `noise` is added to every second answer, subtracted from the others."""
    answers = []
    for group, group_loss in ((QuestionGroup.HELD_OUT, loss), (QuestionGroup.FIRST_SHARD, first)):
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
    groups: dict[str, GroupScores] = {
        name: GroupScores(
            40, {"rougeL": Interval(rouge, rouge - 0.01, rouge + 0.01), "loss": Interval(value, value, value)}
        )
        for name, value in ((QuestionGroup.HELD_OUT, loss), (QuestionGroup.FIRST_SHARD, first))
    }
    baselines = {"nearest-neighbour": {"rougeL": Interval(0.2, 0.19, 0.21)}}
    return Stage("", shard, retrieval, groups, baselines, table, 1.0)


def run_of(*stages: Stage, trained: int = 1, total: int = 1) -> History:
    shards = tuple(TrainedShard(number, (), None, None, None, "2026-01-01") for number in range(trained))
    return History("main", {}, "base", {}, CatalogueSummary("main", total, {}, {}), shards, stages, "", None, {})


def test_a_model_that_improved_on_every_question_is_better() -> None:
    run = run_of(stage(None, 0.1, 3.5), stage(0, 0.15, 3.1))
    assert findings.verdict(run) == "The trained model is better than the base model."


def test_a_model_that_got_worse_on_every_question_is_worse() -> None:
    run = run_of(stage(None, 0.1, 3.5), stage(0, 0.08, 3.9))
    assert findings.verdict(run) == "The trained model is worse than the base model."
    assert {card.tone for card in cards(run, 0)[:2]} == {"bad"}


def test_changes_that_cancel_out_are_no_difference() -> None:
    run = run_of(stage(None, 0.1, 3.5), stage(0, 0.1, 3.5, noise=0.05))
    assert findings.verdict(run).startswith("On the held-out questions, the trained model shows no clear difference")
    assert {card.tone for card in cards(run, 0)[:2]} == {"plain"}


def test_a_model_that_is_better_in_one_metric_and_worse_in_another_is_mixed() -> None:
    run = run_of(stage(None, 0.1, 3.5), stage(0, 0.15, 3.9))
    assert (
        findings.verdict(run) == "Mixed: the trained model is better than the base model in ROUGE-L and worse in loss."
    )


def test_the_verdict_names_the_only_metric_that_improved() -> None:
    run = run_of(stage(None, 0.1, 3.5), stage(0, 0.1, 3.1))
    assert "better than the base model in loss; ROUGE-L shows no clear difference" in findings.verdict(run)


def test_without_a_base_model_nothing_is_compared() -> None:
    assert findings.verdict(run_of(stage(0, 0.1, 3.5))).startswith("No comparison yet")


def test_a_rising_loss_on_the_first_shard_is_forgetting() -> None:
    stages = (stage(None, 0.1, 3.5, first=3.9), stage(0, 0.12, 3.2, first=3.0), stage(1, 0.13, 3.1, first=3.3))
    text = " ".join(findings.summary(run_of(*stages, trained=2, total=2)))
    assert "Forgetting: the loss on the first shard" in text
    assert "3.000 → 3.300, a difference of +0.300" in text


def test_the_summary_names_a_baseline_that_scores_higher() -> None:
    text = " ".join(findings.summary(run_of(stage(None, 0.1, 3.5), stage(0, 0.15, 3.1))))
    assert "is worse than the best baseline (the nearest neighbour's text), which scores 0.200" in text


def test_the_summary_says_if_retrieval_makes_answers_worse() -> None:
    text = " ".join(
        findings.summary(run_of(stage(None, 0.1, 3.5), stage(0, 0.3, 3.1), stage(0, 0.2, 3.1, retrieval=True)))
    )
    assert "Retrieval makes the answers worse: 0.300 → 0.200" in text
    assert "It was trained without neighbours, so `describe` shows it none." in text


def test_forgetting_is_not_claimed_if_the_model_after_the_first_shard_is_not_evaluated() -> None:
    stages = (stage(4, 0.12, 3.2, first=3.0), stage(5, 0.13, 3.1, first=2.5))
    assert "first shard" not in " ".join(findings.summary(run_of(*stages, trained=6, total=6)))


def test_a_run_that_is_limited_to_some_shards_is_finished_after_these() -> None:
    run = replace(run_of(stage(2, 0.1, 3.5), trained=3, total=65), max_shards=3)
    assert "not finished" not in " ".join(findings.summary(run))
    assert "3 of 4 shards are trained" in " ".join(findings.summary(replace(run, max_shards=4)))
    assert "3 of 65 shards are trained" in " ".join(findings.summary(replace(run, max_shards=None)))


@pytest.mark.parametrize(("share", "figure"), [(0.0, "0.300"), (0.5, "0.200")])
def test_the_summary_and_the_cards_are_about_the_stage_that_describe_uses(share: float, figure: str) -> None:
    stages = (stage(None, 0.1, 3.5), stage(0, 0.3, 3.1), stage(0, 0.2, 3.1, retrieval=True))
    run = replace(run_of(*stages), config={"retrieval_share": share})
    final = comparisons.final_stage(run)
    assert final is stages[2 if share else 1]
    label = "after 1 shard with retrieval" if share else "after 1 shard"
    assert f"The model {label} ({figure}) is " in " ".join(findings.summary(run))


@pytest.mark.parametrize(("share", "word", "label"), [(0.0, "worse", ""), (0.5, "better", " with retrieval")])
def test_the_verdict_and_the_cards_compare_the_stage_that_describe_uses(share: float, word: str, label: str) -> None:
    stages = (stage(None, 0.1, 3.5), stage(0, 0.08, 3.9), stage(0, 0.3, 3.1, retrieval=True))
    run = replace(run_of(*stages), config={"retrieval_share": share})
    assert findings.verdict(run) == f"The trained model is {word} than the base model."
    assert f"held-out questions: 0.100 → {'0.300' if share else '0.080'}" in " ".join(findings.summary(run))
    for card in cards(run, 0)[:2]:
        assert card.detail.startswith(f"base model → after 1 shard{label}: {word} (")


def test_the_verdict_is_about_the_last_stage_with_neighbours_until_a_later_one_is_evaluated() -> None:
    stages = (stage(None, 0.1, 3.5), stage(0, 0.2, 3.1, retrieval=True), stage(1, 0.3, 3.0))
    run = replace(run_of(*stages, trained=2, total=2), config={"retrieval_share": 0.5})
    assert "The verdict is about the model after 1 of 2 trained shards." in findings.summary(run)


def test_the_summary_says_how_much_of_a_run_is_trained_and_evaluated() -> None:
    text = " ".join(findings.summary(run_of(stage(None, 0.1, 3.5), stage(0, 0.15, 3.1), trained=2, total=65)))
    assert "2 of 65 shards are trained" in text
    assert "The verdict is about the model after 1 of 2 trained shards." in text


def test_stages_without_common_questions_are_not_compared() -> None:
    base, last = stage(None, 0.1, 3.5), stage(0, 0.15, 3.1)
    renamed = last.answers.set_column(1, "uid", pa.array([f"other {i}" for i in range(last.answers.num_rows)]))
    other = Stage("", 0, False, last.groups, {}, renamed, 1.0)
    assert comparisons.compare(base, other, QuestionGroup.HELD_OUT, "rougeL") is None
    assert "have no held-out questions in common" in findings.verdict(run_of(base, other))


def test_baselines_are_collected_from_all_stages() -> None:
    run = run_of(stage(None, 0.1, 3.5), stage(0, 0.15, 3.1))
    retrieval = Stage("", None, True, {}, {"title-repeated": {}}, run.stages[0].answers, None)
    assert set(comparisons.baselines(run_of(*run.stages, retrieval))) == {"nearest-neighbour", "title-repeated"}


def test_the_summary_and_a_card_show_the_share_of_flagged_answers() -> None:
    last = stage(0, 0.15, 3.1)
    flagged = last.answers.drop_columns("flags").append_column("flags", pa.array([["invented"]] * 80))
    group = GroupScores(40, {**last.groups[QuestionGroup.HELD_OUT].scores, "flagged": Interval(1.0, 1.0, 1.0)})
    run = run_of(stage(None, 0.1, 3.5), Stage("", 0, False, {QuestionGroup.HELD_OUT: group}, {}, flagged, 1.0))
    assert "100 % of the held-out answers are flagged. The most frequent reason: invented number or code" in " ".join(
        findings.summary(run)
    )
    assert next(card for card in cards(run, 0) if card.label == "Answers flagged").value == "100 %"
