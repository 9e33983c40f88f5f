"""ROUGE agrees with rouge-score and has the properties that the reports rely on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from jobs.quality.metrics import sentences
from jobs.quality.rouge import Rouge, mean_rouge, rouge_scores

TEXTS = st.text(st.characters(codec="utf-8"), max_size=200) | st.lists(
    st.sampled_from(["a", "red", "running", "shoes", "shoe", "runs", "of", "12", "\n", "Größe"]), max_size=40
).map(" ".join)


def test_an_equal_text_scores_one_and_a_text_without_common_words_scores_zero() -> None:
    same, other = rouge_scores(["A red running shoe.", "tins of paint"], ["A red running shoe.", "a running shoe"])
    assert same == Rouge(1, 1, 1, 1)
    assert other == Rouge(0, 0, 0, 0)


def test_rouge_counts_stems_and_pairs_of_stems() -> None:
    [score] = rouge_scores(["the shoes run"], ["the shoe runs fast"])
    assert score.rouge1 == pytest.approx(2 * 1 * 0.75 / 1.75)
    assert score.rouge2 == pytest.approx(2 * 1 * (2 / 3) / (5 / 3))


@given(TEXTS, TEXTS)
def test_rouge_equals_that_of_rouge_score_without_the_cache_of_stems(text: str, reference: str) -> None:
    expected = RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=True).score(
        "\n".join(sentences(reference)), "\n".join(sentences(text))
    )
    [score] = rouge_scores([text], [reference])
    assert score == Rouge(*(item.fmeasure for item in expected.values()))


def test_rouge_lsum_compares_sentence_by_sentence() -> None:
    [score] = rouge_scores(["It is red. Buy now!"], ["Buy now! It is red."])
    assert score.rougeLsum == 1
    assert score.rougeL == pytest.approx(3 / 5)


def test_a_different_number_of_predictions_and_references_is_an_error() -> None:
    assert rouge_scores([], []) == []
    with pytest.raises(ValueError, match="found 2 and 1"):
        rouge_scores(["a", "b"], ["a"])


def test_the_mean_is_taken_per_figure() -> None:
    assert mean_rouge([Rouge(0, 0, 0, 0), Rouge(1, 0.5, 1, 1)]) == Rouge(0.5, 0.25, 0.5, 0.5)
    assert mean_rouge([]) == Rouge(0, 0, 0, 0)
