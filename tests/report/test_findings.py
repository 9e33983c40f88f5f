"""The findings and cards of a report: a difference between two models is claimed only if their answers show it."""

from dataclasses import replace
from functools import partial

import pyarrow as pa
import pytest

from jobs.local.job import SAMPLE_DEFAULTS
from jobs.quality.metrics import Interval
from jobs.report import comparisons, findings
from jobs.report.cards import cards
from jobs.report.document import Cell, Table
from jobs.report.history import CatalogueSummary, GroupScores, History, Stage, TrainedShard
from jobs.report.sections import result
from jobs.storage.layout import QuestionGroup
from tests import report_factory as factory


def stage(
    shard: int | None,
    rouge: float,
    loss: float,
    retrieval: bool = False,
    noise: float = 0.0,
    first: float = 3.0,
    questions: int = 40,
    in_a_cluster: int = 1,
) -> Stage:
    """Return a stage with questions in two groups. `noise` is added to every second answer, subtracted from the others.

    `in_a_cluster`: how many questions are near duplicates; 0 is an evaluation of an earlier version, without clusters.
    """
    answers = []
    for group, group_loss in ((QuestionGroup.HELD_OUT, loss), (QuestionGroup.FIRST_SHARD, first)):
        for number in range(questions):
            shift = noise if number % 2 else -noise
            answers.append(
                {
                    "group": group, "uid": f"{number}", "cluster": number // max(1, in_a_cluster), "title": "", "reference": "", "answer": "", "neighbours": [], "rouge1": 0.0,
                    "rouge2": 0.0, "rougeL": rouge + shift, "rougeLsum": 0.0, "loss": group_loss + shift, "repetition": 0.0,
                    "flags": [], "tokens": 1,
                }
            )  # fmt: skip
    table = pa.Table.from_pylist(answers, schema=factory.answer_schema())
    table = table if in_a_cluster else table.drop_columns("cluster")
    groups: dict[str, GroupScores] = {
        name: GroupScores(
            questions, {"rougeL": Interval(rouge, rouge - 0.01, rouge + 0.01), "loss": Interval(value, value, value)}
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


def few_and_enough(questions: int, in_a_cluster: int = 1) -> History:
    """Return a run of two shards in which every later stage is better, except in the loss on the first shard's products."""
    asked = partial(stage, questions=questions, in_a_cluster=in_a_cluster)
    return run_of(
        asked(None, 0.1, 3.5),
        asked(0, 0.3, 3.1),
        asked(1, 0.4, 3.0, first=3.3),
        asked(1, 0.5, 2.9, retrieval=True),
        trained=2,
        total=2,
    )


def test_near_duplicates_are_no_further_questions() -> None:
    assert findings.verdict(few_and_enough(100, in_a_cluster=10)).startswith(
        "No verdict: 100 held-out questions, 10 of them without near duplicates, are too few to tell"
    )
    for few_near in (5, 0):
        assert findings.verdict(few_and_enough(100, few_near)) == "The trained model is better than the base model."


@pytest.mark.parametrize("questions", [2, 5, 19])
def test_too_few_questions_give_no_verdict_although_every_answer_improved(questions: int) -> None:
    run = few_and_enough(questions)
    assert findings.verdict(run) == (
        f"No verdict: {questions} held-out questions are too few to tell whether the trained model is better than the base model. "
        "At least 20 are needed, see `skuscribe evaluate --questions`."
    )
    quality, retrieval, baseline, forgetting = findings.summary(run)
    assert quality.startswith(f"ROUGE-L on {questions} held-out questions: 0.100 → 0.400, a difference of +0.300")
    assert retrieval.startswith("ROUGE-L without and with retrieval: 0.400 → 0.500")
    assert "is not compared with the best baseline" in baseline
    assert forgetting.startswith("Loss on the first shard's products: 3.000 → 3.300")
    for sentence in (quality, retrieval, baseline, forgetting):
        assert "These are too few questions for a verdict; at least 20 are needed." in sentence
    for card in cards(run, 0):
        assert "too few questions (" in card.detail
        assert card.tone == "plain"
    assert {cell.text.split(" ", 1)[1] for cell in compared_cells(run)} == {"too few questions"}
    assert {cell.tone for cell in compared_cells(run)} == {"plain"}


@pytest.mark.parametrize("questions", [20, int(SAMPLE_DEFAULTS["QUESTIONS"])])
def test_enough_questions_give_a_verdict(questions: int) -> None:
    run = few_and_enough(questions)
    assert findings.verdict(run) == "The trained model is better than the base model."
    assert "too few" not in " ".join(findings.summary(run))
    assert [card.tone for card in cards(run, 0)] == ["good", "good", "bad"]
    assert {cell.text.split(" ", 1)[1] for cell in compared_cells(run)} == {"better", "no clear difference"}


@pytest.mark.parametrize(("differing", "is_clear"), [(5, False), (6, True)])
def test_a_few_answers_that_improved_among_equal_ones_are_no_clear_difference(differing: int, is_clear: bool) -> None:
    """The bootstrap's interval excludes zero in both cases, but five equal signs have a probability of 1/16."""
    base, trained = stage(None, 0.1, 3.5, questions=20), stage(0, 0.1, 3.5, questions=20)
    position = trained.answers.column_names.index("rougeL")
    values = [0.4 if number % 20 < differing else 0.1 for number in range(40)]
    column = pa.array(values, trained.answers.schema.field(position).type)
    improved = replace(trained, answers=trained.answers.set_column(position, "rougeL", column))
    comparison = comparisons.compare(base, improved, QuestionGroup.HELD_OUT, "rougeL")
    assert comparison is not None
    assert comparison.difference.low > 0
    assert comparison.better is (True if is_clear else None)


def test_a_run_of_one_shard_is_described_in_the_singular() -> None:
    run = run_of(stage(None, 0.1, 3.5), stage(0, 0.15, 3.1), trained=1, total=2)
    assert "The run is not finished: 1 of 2 shards is trained." in findings.summary(run)


def compared_cells(run: History) -> list[Cell]:
    """Return the cells of the table of differences, which is the last one of its section."""
    section = result.section(run)
    assert section is not None
    table = section.blocks[-1]
    assert isinstance(table, Table)
    return [cell for row in table.rows for cell in row[1:]]


def test_with_one_question_in_common_nothing_is_compared() -> None:
    run = run_of(stage(None, 0.1, 3.5, questions=1), stage(0, 0.3, 3.1, questions=1))
    assert "fewer than 2 held-out questions in common" in findings.verdict(run)
    assert cards(run, 0)[0].detail == "base model → after 1 shard: fewer than 2 questions in common"


def test_the_summary_names_the_models_that_were_not_trained_from_the_current_ones() -> None:
    run = run_of(stage(None, 0.1, 3.5), stage(0, 0.15, 3.1), trained=3, total=3)
    assert "current model" not in " ".join(findings.summary(run))
    first = findings.summary(replace(run, outdated_shards=(1, 2)))[1]
    assert first.startswith("`shard-00001` was not trained from the current model of `shard-00000`")
    assert "`skuscribe train --run main`" in first
    merge, shards = findings.summary(
        replace(run, outdated_merges=(1,), outdated_shards=(2,), config={"shards_at_once": 2})
    )[1:3]
    assert merge.startswith("`merged/shard-00001` was not merged from the current models of the shards")
    assert shards.startswith("`shard-00002` was not trained from the current merged model after `shard-00001`")


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
    assert "The model was trained without neighbours, so `describe` puts none into its prompts." in text


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
    assert "fewer than 2 held-out questions in common" in findings.verdict(run_of(base, other))


def test_baselines_are_collected_from_all_stages() -> None:
    run = run_of(stage(None, 0.1, 3.5), stage(0, 0.15, 3.1))
    retrieval = Stage("", None, True, {}, {"title-repeated": {}}, run.stages[0].answers, None)
    assert set(comparisons.baselines(run_of(*run.stages, retrieval))) == {"nearest-neighbour", "title-repeated"}


def test_the_summary_and_a_card_show_the_share_of_flagged_answers() -> None:
    last = stage(0, 0.15, 3.1)
    flagged = last.answers.drop_columns("flags").append_column("flags", pa.array([["invented"]] * 80))
    group = GroupScores(40, {**last.groups[QuestionGroup.HELD_OUT].scores, "flagged": Interval(1.0, 1.0, 1.0)})
    run = run_of(stage(None, 0.1, 3.5), Stage("", 0, False, {QuestionGroup.HELD_OUT: group}, {}, flagged, 1.0))
    assert (
        "100 % of the held-out answers are flagged. The most frequent reason: invented number, code or attribute"
        in " ".join(findings.summary(run))
    )
    assert next(card for card in cards(run, 0) if card.label == "Answers flagged").value == "100 %"


def test_flagged_answers_are_compared_only_between_results_of_the_same_checks() -> None:
    shares: dict[str, GroupScores] = {QuestionGroup.HELD_OUT: GroupScores(40, {"flagged": Interval(0.5, 0.4, 0.6)})}
    base, last = (Stage("", shard, False, shares, {}, stage(None, 0.1, 3.5).answers, 1.0) for shard in (None, 0))
    assert comparisons.flagged_before(base, last) == Interval(0.5, 0.4, 0.6)
    assert comparisons.flagged_before(base, replace(last, checks_version=2)) is None
    assert comparisons.flagged_before(None, last) is None


def test_a_batch_of_which_nothing_is_published_is_named_with_its_most_frequent_reasons() -> None:
    figures = {
        "products": 136,
        "published": 0,
        "flagged": 135,
        "failed": 1,
        "reasons": {"generic": 90, "off-title": 135},
    }
    history = replace(run_of(), batch="winter", batch_figures=figures)
    [sentence] = [sentence for sentence in findings.summary(history) if "published" in sentence]
    assert "None of the 136 descriptions of batch 'winter' is published." in sentence
    assert "reasons: not about its title (135), same text for other products (90)." in sentence
    assert [card.tone for card in cards(history, 0) if card.label == "Descriptions published"] == ["bad"]


@pytest.mark.parametrize("figures", [None, {}, {"products": 3, "published": 1, "reasons": {"generic": 2}}])
def test_a_batch_with_a_published_text_has_no_such_sentence(figures: dict[str, int] | None) -> None:
    assert not any("published" in sentence for sentence in findings.summary(replace(run_of(), batch_figures=figures)))
