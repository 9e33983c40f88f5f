"""A description that fails a check is generated once more, with stricter decoding, and the better text is kept."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from jobs.describe.describer import Describer
from jobs.quality.checks import Checker
from jobs.retrieval.neighbours import Neighbour
from jobs.storage import layout, runs
from jobs.storage.catalogue import Title
from jobs.t5 import conversion, models
from jobs.t5.generation import Answer, Writer
from jobs.t5.inference import Device
from jobs.t5.settings import Decoding
from tests.ready import NAME, Ready

DEVICE = Device("cpu", "int8", 1, 2048)
DECODING = Decoding(max_target_tokens=12)
PROMPT_MAX_TOKENS = 64
GOOD = "A red lamp for the desk that lights a whole room at night."
BAD = "la la la la la la la la la la la la"


class RecordingWriter(Writer):
    """A writer that records its prompts. With `texts` it returns known texts, which a tiny model cannot be made to write.

    `texts`: for the first and for the second attempt, the text by the last letter of the prompt.
    """

    texts: tuple[dict[str, str], dict[str, str]] | None = None

    def __init__(self, folder: Path, tokenizer: PreTrainedTokenizerFast, device: Device) -> None:
        super().__init__(folder, tokenizer, device)
        self.sources: list[list[str]] = []

    def write_candidates(
        self,
        sources: Sequence[Sequence[str]],
        decoding: Decoding,
        candidates: int,
        on_answers: Callable[[int], None] = lambda _count: None,
    ) -> list[list[Answer]]:
        self.sources += map(list, sources)
        if self.texts is None:
            return super().write_candidates(sources, decoding, candidates, on_answers)
        texts = self.texts[0 if decoding == DECODING else 1]
        prompts = ["".join(source).removesuffix("</s>") for source in sources]
        return [[Answer(texts[prompt[-1]], 9, True, -1.0)] for prompt in prompts]


@pytest.fixture
def writer(ready: Ready, tmp_path: Path) -> RecordingWriter:
    folder = runs.trained_shard(ready.store, NAME, 0).fetch_all(tmp_path, layout.MODEL_PREFIX)
    tokenizer = models.load_tokenizer(folder)
    conversion.convert(models.load(folder), tokenizer, tmp_path / "converted", DEVICE.precision)
    return RecordingWriter(tmp_path / "converted", tokenizer, DEVICE)


@pytest.fixture
def describer(writer: RecordingWriter) -> Describer:
    return Describer(writer, "digest", Checker(), DECODING, 1, 3, PROMPT_MAX_TOKENS)


def test_the_attempt_with_fewer_flags_is_kept(writer: RecordingWriter, describer: Describer) -> None:
    worse = f"{BAD} 99"
    writer.texts = ({"a": GOOD, "b": BAD, "c": BAD, "d": worse}, {"b": GOOD, "c": worse, "d": BAD})
    rows = describer.describe([Title(letter, f"Lamp {letter}") for letter in "abcd"], [[]] * 4)
    assert [row.description for row in rows] == [GOOD, GOOD, BAD, BAD]
    assert [row.retries for row in rows] == [0, 1, 1, 1]
    assert [row.published for row in rows] == [True, True, False, False]
    assert rows[2].flags == rows[3].flags == ("off-title", "repetition")


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
