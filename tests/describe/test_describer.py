"""A description that fails a check is generated once more, with stricter decoding, and the better text is kept."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from jobs.describe.describer import Describer, GenerationOptions
from jobs.quality.checks import Checker
from jobs.retrieval.neighbours import Neighbour
from jobs.storage import layout, runs
from jobs.storage.catalogue import Title
from jobs.t5 import conversion, models
from jobs.t5.generation import Answer, OnAnswers, Writer
from jobs.t5.inference import InferenceDevice
from jobs.t5.settings import Decoding
from tests.quality.matchers import share_matcher
from tests.ready import NAME, Ready

DEVICE = InferenceDevice("cpu", "int8", 1, 2048)
DECODING = Decoding(max_target_tokens=12)
PROMPT_MAX_TOKENS = 64
OPTIONS = GenerationOptions(decoding=DECODING, candidates=1, prompt_neighbours=3, prompt_max_tokens=PROMPT_MAX_TOKENS)
GOOD = "A red lamp for the desk that lights a whole room at night."
BAD = "la la la la la la la la la la la la"


class RecordingWriter(Writer):
    """A writer that records its prompts. With `texts` it returns known texts, which a tiny model cannot be made to write.

    `texts`: for the first and for the second attempt, the text by the last letter of the prompt. `others`: candidates of the second
    attempt after that text.
    """

    texts: tuple[dict[str, str], dict[str, str]] | None = None
    others: Sequence[str] = ()

    def __init__(self, folder: Path, tokenizer: PreTrainedTokenizerFast, device: InferenceDevice) -> None:
        super().__init__(folder, tokenizer, device)
        self.sources: list[list[str]] = []

    def write_candidates(
        self,
        sources: Sequence[Sequence[str]],
        decoding: Decoding,
        candidates: int,
        on_answers: OnAnswers = lambda _position, _answers: None,
    ) -> list[list[Answer]]:
        self.sources += map(list, sources)
        if self.texts is None:
            return super().write_candidates(sources, decoding, candidates, on_answers)
        texts = self.texts[0 if decoding == DECODING else 1]
        prompts = ["".join(source).removesuffix("</s>") for source in sources]
        others = self.others[: candidates - 1] if decoding != DECODING else ()
        answers = [[Answer(text, 9, True, -1.0) for text in (texts[prompt[-1]], *others)] for prompt in prompts]
        for position, written in enumerate(answers):
            on_answers(position, written)
        return answers


@pytest.fixture
def writer(ready: Ready, tmp_path: Path) -> RecordingWriter:
    folder = runs.trained_shard(ready.store, NAME, 0).fetch_all(tmp_path, layout.MODEL_PREFIX)
    tokenizer = models.load_tokenizer(folder)
    conversion.convert(models.load(folder), tokenizer, tmp_path / "converted", DEVICE.precision)
    return RecordingWriter(tmp_path / "converted", tokenizer, DEVICE)


@pytest.fixture
def describer(writer: RecordingWriter) -> Describer:
    return Describer(writer, "digest", Checker(), OPTIONS)


def test_the_attempt_with_fewer_flags_is_kept(writer: RecordingWriter, describer: Describer) -> None:
    worse = f"{BAD} 99"
    writer.texts = ({"a": GOOD, "b": BAD, "c": BAD, "d": worse}, {"b": GOOD, "c": worse, "d": BAD})
    rows = describer.describe([Title(letter, f"Lamp {letter}") for letter in "abcd"], [[]] * 4)
    assert [row.description for row in rows] == [GOOD, GOOD, BAD, BAD]
    assert [row.retries for row in rows] == [0, 1, 1, 1]
    assert [row.published for row in rows] == [True, True, False, False]
    assert rows[2].flags == rows[3].flags == ("off-title", "repetition")


@pytest.mark.parametrize(("good", "retries"), [(0, 0), (1, 0), (2, 1)])
def test_there_are_candidates_only_if_enough_texts_may_pass_with_them(
    writer: RecordingWriter, describer: Describer, good: int, retries: int
) -> None:
    """With one candidate each, at most twice as many texts pass as at first, and 4 of 20 must pass."""
    writer.texts = ({"a": BAD, "b": GOOD}, {"a": GOOD})
    titles = [Title(str(number), "Lamp b" if number < good else "Lamp a") for number in range(20)]
    rows = describer.describe(titles, [[]] * 20)
    assert [row.retries for row in rows] == [0] * good + [retries] * (20 - good)


def test_a_text_that_contradicts_its_title_is_generated_again_without_the_neighbours(
    writer: RecordingWriter, describer: Describer
) -> None:
    right, wrong = (f"A lamp of {power} W that lights a whole room at night." for power in (7, 9))
    title, neighbours = Title("a", "Lamp 7W a"), [Neighbour("P9", "Lamp 9W", "b", 0.5)]
    writer.texts = ({"b": wrong}, {"a": right})  # the prompt ends with the neighbour at first, then with the title
    [row] = describer.describe([title], [neighbours])
    assert (row.description, row.retries, row.published) == (right, 1, True)
    writer.texts = ({"b": wrong}, {"a": wrong})
    [row] = describer.describe([title], [neighbours])
    assert (row.flags, row.retries, row.published) == (("contradicts",), 1, False)


def test_a_description_with_a_flag_or_an_error_is_not_published(describer: Describer) -> None:
    titles = [Title("a", "Red Lamp"), Title("b", "Green Desk"), Title("c", "", error="gone"), Title("d", "lamp " * 80)]
    counts: list[int] = []
    rows = describer.describe(titles, [[]] * 4, counts.append)
    assert sum(counts) == 4
    assert [row.uid for row in rows] == ["a", "b", "c", "d"]
    too_long = "the title and its question are longer than 64 tokens (--prompt-max-tokens)"
    assert [row.error for row in rows] == [None, None, "gone", too_long]
    for row in rows:
        assert row.published == (not row.flags and row.error is None)
        assert (row.repetition is None) == (row.error is not None)


def test_the_prompt_keeps_the_title_and_truncates_the_neighbours(writer: RecordingWriter, describer: Describer) -> None:
    writer.texts = (dict.fromkeys("almp", GOOD), {})
    [row] = describer.describe([Title("a", "Red Lamp")], [[Neighbour("P9", "Blue Lamp", "a lamp " * 100, 0.5)]])
    [source] = writer.sources
    assert len(source) == PROMPT_MAX_TOKENS
    assert "RedLamp" in "".join(source).replace("▁", "")
    assert (row.neighbours, row.neighbour_similarities) == (("P9",), (0.5,))


def test_of_the_candidates_the_one_with_fewest_flags_and_then_the_highest_probability_is_kept(
    writer: RecordingWriter,
) -> None:
    checker = Checker(share_matcher(publish_from=0.4), publish_from=0.4)
    describer = Describer(writer, "digest", checker, replace(OPTIONS, candidates=4))
    title, third, half, whole = (
        Title("a", "Red wool desk lamp a"),
        "The lamp lights your whole room at night.",
        "A red lamp that lights your whole room at night.",
        "It is a red lamp of wool that lights your desk at night.",
    )
    writer.texts = ({"a": BAD}, {"a": half})
    for others, best in (((whole, third, BAD), whole), ((third, BAD, whole), whole), ((third, BAD, BAD), half)):
        writer.others = others
        [row] = describer.describe([title], [[]])
        assert (row.description, row.retries) == (best, 4)
    writer.others = (f"{whole} {whole}", third)  # its probability is the highest, but it repeats itself
    [row] = describer.describe([title], [[]])
    assert (row.description, row.retries, row.published) == (half, 3, True)


def test_a_title_of_unknown_tokens_is_a_row_with_its_error_and_nothing_is_written_for_it(
    writer: RecordingWriter, describer: Describer
) -> None:
    writer.texts = (dict.fromkeys("almp", GOOD), {})
    arabic, mixed = describer.describe([Title("a", "مصباح أحمر"), Title("b", "灯 Red Lamp")], [[]] * 2)
    assert arabic.error == (
        "the model's tokenizer knows too little of the title: 100% of its letters are in unknown tokens"
    )
    assert (arabic.published, arabic.description, arabic.flags) == (False, "", ())
    assert mixed.error is None
    assert len(writer.sources) >= 1
    assert not any("مصباح" in "".join(source) for source in writer.sources)


def test_a_text_that_more_products_share_than_may_is_not_published(
    writer: RecordingWriter, describer: Describer
) -> None:
    writer.texts = ({"p": GOOD}, {"p": GOOD})
    titles = [Title(f"u{number}", "Desk lamp", cluster=number % 2) for number in range(6)]
    assert all(row.published for row in describer.describe(titles, [[]] * 6))
    titles = [Title(f"u{number}", "Desk lamp") for number in range(6)]
    assert all(row.published for row in describer.describe(titles, [[]] * 6))  # one product, listed six times
    titles = [Title(f"u{number}", f"Desk lamp {'no. ' * number}p", cluster=number) for number in range(6)]
    for row in describer.describe(titles, [[]] * 6):
        assert (row.flags, row.evidence["generic"], row.published) == (("generic",), {"products": 6}, False)
