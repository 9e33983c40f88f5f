"""ROUGE, repetition and intervals: what the figures of every report rest on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.quality import metrics
from jobs.quality.metrics import Rouge

TEXTS = st.text(st.characters(codec="utf-8"), max_size=200) | st.lists(
    st.sampled_from(["a", "red", "running", "shoes", "shoe", "runs", "of", "12", "\n", "Größe"]), max_size=40
).map(" ".join)


def test_an_equal_text_scores_one_and_a_foreign_one_zero() -> None:
    same, foreign = metrics.rouge(["A red running shoe.", "tins of paint"], ["A red running shoe.", "a running shoe"])
    assert same == Rouge(1, 1, 1, 1)
    assert foreign == Rouge(0, 0, 0, 0)


def test_rouge_counts_stems_and_pairs_of_words() -> None:
    [score] = metrics.rouge(["the shoes run"], ["the shoe runs fast"])
    assert score.rouge1 == pytest.approx(2 * 1 * 0.75 / 1.75)
    assert score.rouge2 == pytest.approx(2 * 1 * (2 / 3) / (5 / 3))


@given(TEXTS, TEXTS)
def test_rouge_is_what_rouge_score_gives_with_its_own_stemmer(text: str, reference: str) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    expected = RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=True).score(
        "\n".join(metrics.sentences(reference)), "\n".join(metrics.sentences(text))
    )
    [score] = metrics.rouge([text], [reference])
    assert score == Rouge(*(item.fmeasure for item in expected.values()))


def test_rouge_lsum_goes_sentence_by_sentence() -> None:
    [score] = metrics.rouge(["It is red. Buy now!"], ["Buy now! It is red."])
    assert score.rougeLsum == 1
    assert score.rougeL == pytest.approx(3 / 5)


def test_sentences_end_with_their_mark_or_their_line() -> None:
    assert metrics.sentences(" One 1.5 l. Two?  Three\nfour ") == ["One 1.5 l.", "Two?", "Three", "four"]


def test_texts_and_references_come_in_pairs() -> None:
    assert metrics.rouge([], []) == []
    with pytest.raises(ValueError, match="2 and 1 were given"):
        metrics.rouge(["a", "b"], ["a"])


def test_the_mean_is_taken_figure_by_figure() -> None:
    assert metrics.mean([Rouge(0, 0, 0, 0), Rouge(1, 0.5, 1, 1)]) == Rouge(0.5, 0.25, 0.5, 0.5)
    assert metrics.mean([]) == Rouge(0, 0, 0, 0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.integers(0, 100))
def test_an_interval_holds_its_mean_and_repeats_with_its_seed(values: list[float], seed: int) -> None:
    interval = metrics.bootstrap(values, seed, resamples=100)
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9
    assert interval.value == pytest.approx(sum(values) / len(values))
    assert interval == metrics.bootstrap(values, seed, resamples=100)


def test_an_interval_narrows_with_more_values() -> None:
    few, many = metrics.bootstrap([0, 1] * 10, 13), metrics.bootstrap([0, 1] * 1000, 13)
    assert many.high - many.low < (few.high - few.low) / 5
    # the normal approximation: 1.96 * 0.5 / sqrt(2000)
    assert many.high - many.value == pytest.approx(0.0219, rel=0.15)


def test_no_values_have_no_interval() -> None:
    with pytest.raises(ValueError, match="none"):
        metrics.bootstrap([], 13)


def test_repetition_is_the_share_of_word_triples_seen_before() -> None:
    assert metrics.repetition("A fine red shoe for a long day.") == 0
    assert metrics.repetition("very good shoe. Very good shoe. very good shoe") == pytest.approx(4 / 7)
    assert metrics.repetition("la " * 100) > 0.98
    assert metrics.repetition("") == 0
    assert metrics.repetition("two words") == 0
