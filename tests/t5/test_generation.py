"""Writing with CTranslate2: the same words as `generate()`, in any batches, whatever the tokenizer."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from jobs.process import lifecycle
from jobs.process.errors import ConfigurationError, Interrupted
from jobs.storage.catalogue import TRAIN
from jobs.t5 import conversion, generation, inference, models, tiny
from jobs.t5.generation import Answer, Writer
from jobs.t5.inference import Device
from jobs.t5.prompt import prompt
from jobs.t5.settings import Decoding
from tests.factories import product

PLAIN = Decoding(no_repeat_ngram=0, repetition_penalty=1, min_target_tokens=1, max_target_tokens=24)
CPU = Device("cpu", "float32", 2, 1024)


@dataclass(frozen=True)
class Both:
    """One model, as transformers has it and as CTranslate2 writes with it."""

    model: Any
    tokenizer: Any
    writer: Writer
    int8: Writer


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """A tiny T5 with a tokenizer learnt here (no spiece.model), loud enough that no two tokens are equally likely."""
    folder = tmp_path_factory.mktemp("model")
    texts = [product(number, TRAIN).content for number in range(200)]
    tiny.train_tokenizer(texts, folder / "tokenizer", vocabulary=500)
    tiny.build(folder / "t5", folder / "tokenizer", width=32, layers=2, seed=3)
    torch.set_num_threads(1)
    model, tokenizer = models.load(folder / "t5"), models.load_tokenizer(folder / "t5")
    with torch.no_grad():
        model.lm_head.weight *= 3
        model.lm_head.weight[tokenizer.eos_token_id] *= 1.25  # so that some answers end by themselves
    writers = []
    for precision in ("float32", "int8"):
        conversion.convert(model, tokenizer, folder / precision, precision)
        writers.append(Writer(folder / precision, tokenizer, Device("cpu", precision, 2, 1024)))
    return Both(model, tokenizer, *writers)


@pytest.fixture(scope="module")
def prompts() -> list[str]:
    return [prompt(product(number, TRAIN).title) for number in range(1000, 1024)]


def generated(both: Both, text: str, decoding: Decoding) -> Answer:
    """What transformers writes, with the mean log-probability of its tokens."""
    beams = decoding.beam_size
    found = both.model.generate(
        **both.tokenizer(text, return_tensors="pt"),
        num_beams=beams, early_stopping=beams > 1, do_sample=False,
        min_new_tokens=decoding.min_target_tokens or None, max_new_tokens=decoding.max_target_tokens,
        no_repeat_ngram_size=decoding.no_repeat_ngram, repetition_penalty=float(decoding.repetition_penalty),
        return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    ids = found.sequences[0][1:].tolist()
    if beams > 1:
        score = found.sequences_scores[0].item()
    else:
        score = both.model.compute_transition_scores(found.sequences, found.scores, normalize_logits=True).mean().item()
    ended = ids[-1] == both.tokenizer.eos_token_id
    return Answer(both.tokenizer.decode(ids, skip_special_tokens=True).strip(), len(ids), ended, score)


@pytest.mark.parametrize(
    "decoding",
    [
        PLAIN,
        Decoding(no_repeat_ngram=3, repetition_penalty=1, min_target_tokens=6, max_target_tokens=24),
        Decoding(no_repeat_ngram=3, repetition_penalty=1.2, min_target_tokens=6, max_target_tokens=24),
        Decoding(4, no_repeat_ngram=0, repetition_penalty=1, min_target_tokens=0, max_target_tokens=24),
    ],
    ids=["greedy", "greedy without repeats", "greedy with a penalty", "four beams"],
)
def test_it_writes_what_generate_writes(both: Both, prompts: list[str], decoding: Decoding) -> None:
    answers = both.writer.write(both.writer.encode(prompts, 128), decoding)
    expected = [generated(both, text, decoding) for text in prompts]
    assert [(item.text, item.tokens, item.ended) for item in answers] == [
        (item.text, item.tokens, item.ended) for item in expected
    ]
    if decoding.repetition_penalty == 1:  # transformers penalises the start token too, and so norms otherwise
        assert [item.score for item in answers] == pytest.approx([item.score for item in expected], abs=1e-4)


def test_scores_tell_a_head_of_its_own_from_a_shared_one(both: Both, prompts: list[str], tmp_path: Path) -> None:
    """The loader's own conversion scales the logits: greedy agrees, scores do not. Ours must not be that one."""
    from ctranslate2.converters.transformers import T5Loader

    with torch.no_grad():
        spec = T5Loader()(both.model, both.tokenizer)
    spec.validate()
    spec.optimize()
    spec.save(str(tmp_path))
    wrong = Writer(tmp_path, both.tokenizer, CPU)
    sources = both.writer.encode(prompts, 128)
    assert wrong.write(sources, PLAIN)[0].score != pytest.approx(both.writer.write(sources, PLAIN)[0].score, abs=0.01)


def test_int8_answers_do_not_depend_on_the_batch_or_the_workers(both: Both, prompts: list[str], tmp_path: Path) -> None:
    conversion.convert(both.model, both.tokenizer, tmp_path, "int8")
    alone = Writer(tmp_path, both.tokenizer, Device("cpu", "int8", 1, 1))
    sources = both.int8.encode(prompts, 128)
    decoding = Decoding(max_target_tokens=24)
    assert both.int8.write(sources, decoding) == alone.write(sources, decoding)


def test_converting_leaves_the_model_as_it_was(both: Both, tmp_path: Path) -> None:
    before = {name: weight.clone() for name, weight in both.model.state_dict().items()}
    for precision in ("int8", "float32"):
        conversion.convert(both.model, both.tokenizer, tmp_path / precision, precision)
    assert all(torch.equal(weight, before[name]) for name, weight in both.model.state_dict().items())


def test_an_answer_says_whether_it_ended_by_itself(both: Both, prompts: list[str]) -> None:
    sources = both.writer.encode(prompts, 128)
    assert not any(item.ended for item in both.writer.write(sources, Decoding(1, 0, 1, 2, 2)))
    assert any(item.ended for item in both.writer.write(sources, PLAIN))


def test_equal_sources_are_answered_once(both: Both, prompts: list[str]) -> None:
    told: list[int] = []
    sources = both.writer.encode(prompts[:2] * 3, 128)
    answers = both.writer.write(sources, PLAIN, told.append)
    assert answers[:2] * 3 == answers
    assert sum(told) == 6
    assert both.writer.write([], PLAIN) == []


def test_no_three_tokens_come_twice(both: Both, prompts: list[str]) -> None:
    decoding = Decoding(min_target_tokens=60, max_target_tokens=60)
    for answer in both.int8.write(both.int8.encode(prompts, 128), decoding):
        ids = both.tokenizer(answer.text).input_ids
        assert answer.tokens == 60
        assert not answer.ended
        assert len(ids) > 3
    looser = both.int8.write(both.int8.encode(prompts, 128), Decoding(1, 0, 1, 60, 60))
    assert looser != both.int8.write(both.int8.encode(prompts, 128), decoding)


def test_a_stricter_decoding_is_stricter_in_all_it_decides() -> None:
    first = Decoding()
    second = first.stricter()
    assert second.beam_size > first.beam_size
    assert 0 < second.no_repeat_ngram < first.no_repeat_ngram
    assert second.repetition_penalty > first.repetition_penalty
    assert first.min_target_tokens <= second.max_target_tokens < first.max_target_tokens


def test_a_long_prompt_is_cut_and_keeps_its_end_mark(both: Both) -> None:
    [tokens] = both.writer.encode(["word " * 500], 32)
    assert len(tokens) == 32
    assert tokens[-1] == "</s>"
    assert both.writer.encode([], 32) == []


def test_batches_keep_to_their_tokens_and_lose_nothing() -> None:
    sources = [tuple(f"{row}-{place}" for place in range(row % 40 + 1)) for row in range(200)]
    decoding = Decoding(max_target_tokens=60)
    batches = generation.batches_by_tokens(sources, 1000, decoding)
    assert sorted(source for batch in batches for source in batch) == sorted(sources)
    assert all(len(batch) * (len(batch[0]) + 60) <= 1000 for batch in batches)
    assert len(batches) < 25
    assert generation.batches_by_tokens(sources[::-1], 1000, decoding) == batches
    assert len(generation.batches_by_tokens(sources, 1, decoding)) == 200


def test_a_signal_ends_it_between_two_batches(both: Both, prompts: list[str]) -> None:
    alone = Device("cpu", "float32", 1, 1)
    lifecycle.install_handlers()
    told: list[int] = []

    def end_after_two(count: int) -> None:
        told.append(count)
        if len(told) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    both.writer.device, old = alone, both.writer.device
    try:
        with pytest.raises(Interrupted):
            both.writer.write(both.writer.encode(prompts, 128), PLAIN, end_after_two)
    finally:
        both.writer.device = old
        lifecycle._stop.requested = False
    assert len(told) == 2


def test_a_precision_that_this_processor_lacks_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match=r"--precision bfloat16.*int8"):
        inference.choose_device("bfloat16")


def test_int8_is_the_choice_for_a_cpu() -> None:
    assert inference.choose_device("auto", batch_tokens=7).batch_tokens == 7
    assert inference.choose_device("float32").workers == len(os.sched_getaffinity(0))


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(both: Both, tmp_path: Path) -> None:
    both.tokenizer.add_tokens([f"<new{number}>" for number in range(100)])
    with pytest.raises(ConfigurationError, match="do not belong together"):
        conversion.convert(both.model, both.tokenizer, tmp_path, "float32")
