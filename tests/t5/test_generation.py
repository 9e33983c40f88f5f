"""Generation with CTranslate2 gives the same texts as `generate()` of transformers, in any batches, with any tokenizer."""

import copy
import dataclasses
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import ctranslate2
import pytest
import torch
from ctranslate2.converters.transformers import T5Loader
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from jobs.process import threads
from jobs.process.errors import ConfigurationError
from jobs.quality.metrics import repetition
from jobs.storage.catalogue import TRAIN
from jobs.t5 import conversion, generation, inference, models, tiny
from jobs.t5.generation import Answer, Writer
from jobs.t5.inference import InferenceDevice
from jobs.t5.prompt import prompt
from jobs.t5.settings import Decoding, Precision
from jobs.text.unknown import UNKNOWN
from tests.factories import product

pytestmark = pytest.mark.slow

PLAIN = Decoding(no_repeat_ngram=0, repetition_penalty=1, min_target_tokens=1, max_target_tokens=24)
CPU = InferenceDevice("cpu", "float32", 2, 1024)

INTERRUPTED_AFTER_TWO_BATCHES = """
import json, os, signal, sys
from pathlib import Path
from jobs.process import lifecycle
from jobs.t5 import models
from jobs.t5.generation import Writer
from jobs.t5.inference import InferenceDevice
from jobs.t5.settings import Decoding

converted, tokenizer, prompts = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
batches = []

def send_signal_after_two(position, answers):
    batches.append(position)
    print(len(answers), flush=True)
    if len(batches) == 2:
        os.kill(os.getpid(), signal.SIGTERM)

def write():
    writer = Writer(converted, models.load_tokenizer(tokenizer), InferenceDevice("cpu", "float32", 1, 1))
    writer.write(writer.encode(prompts, 128), Decoding(max_target_tokens=24), send_signal_after_two)

sys.exit(lifecycle.run_to_exit_code(write))
"""


@dataclass(frozen=True)
class ConvertedModel:
    """A model in transformers, and converted with float32 and with int8 weights. `folder` has all three."""

    folder: Path
    model: Any
    tokenizer: Any
    writer: Writer
    int8: Writer


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> ConvertedModel:
    """A tiny T5 with a byte-pair tokenizer (no spiece.model) and large logits, so that no two tokens are equally likely."""
    folder = tmp_path_factory.mktemp("model")
    texts = [product(number, TRAIN).content for number in range(200)]
    tiny.train_tokenizer(texts, folder / "tokenizer", vocabulary=500)
    tiny.build(folder / "t5", folder / "tokenizer", width=32, layers=2, seed=3)
    model, tokenizer = models.load(folder / "t5"), models.load_tokenizer(folder / "t5")
    models.set_threads(model)
    with torch.no_grad():
        model.lm_head.weight *= 3
        model.lm_head.weight[tokenizer.eos_token_id] *= 1.25  # so that some answers end with the end token
    writers = []
    for precision in ("float32", "int8"):
        conversion.convert(model, tokenizer, folder / precision, precision)
        writers.append(Writer(folder / precision, tokenizer, InferenceDevice("cpu", precision, 2, 1024)))
    return ConvertedModel(folder, model, tokenizer, *writers)


def test_tokens_keep_their_ids_also_if_some_ids_have_none(tmp_path: Path) -> None:
    words = {"<pad>": 0, "</s>": 1, "<unk>": 2, "pan": 9}
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="<unk>")),
        pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
    )  # fmt: skip
    model = T5ForConditionalGeneration(T5Config(vocab_size=12, d_model=8, d_kv=4, num_heads=2, num_layers=1, d_ff=8))
    model.config.decoder_start_token_id = 0
    conversion.convert(model, tokenizer, tmp_path / "t5", "float32")
    tokens = json.loads((tmp_path / "t5" / "shared_vocabulary.json").read_text())
    assert (len(tokens), {token: tokens.index(token) for token in words}) == (12, words)
    with pytest.raises(ConfigurationError, match="needs 10 tokens and the model has only 9"):
        model.resize_token_embeddings(9)
        conversion.convert(model, tokenizer, tmp_path, "float32")


@pytest.fixture(scope="module")
def prompts() -> list[str]:
    return [prompt(product(number, TRAIN).title) for number in range(1000, 1024)]


def generate(converted: ConvertedModel, text: str, decoding: Decoding) -> Answer:
    """The answer of transformers, with the mean log-probability of its tokens."""
    model, tokenizer, beams = converted.model, converted.tokenizer, decoding.beam_size
    output = model.generate(
        **tokenizer(text, return_tensors="pt"),
        num_beams=beams, early_stopping=beams > 1, do_sample=False,
        min_new_tokens=decoding.min_target_tokens or None, max_new_tokens=decoding.max_target_tokens,
        no_repeat_ngram_size=decoding.no_repeat_ngram, repetition_penalty=float(decoding.repetition_penalty),
        return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    ids = output.sequences[0][1:].tolist()
    if beams > 1:
        score = output.sequences_scores[0].item()
    else:
        score = model.compute_transition_scores(output.sequences, output.scores, normalize_logits=True).mean().item()
    ended = ids[-1] == tokenizer.eos_token_id
    text = tokenizer.decode([token for token in ids if token not in (tokenizer.pad_token_id, tokenizer.eos_token_id)])
    return Answer(text.replace("<unk>", UNKNOWN).strip(), len(ids), ended, score)


@pytest.mark.parametrize(
    "decoding",
    [
        PLAIN,
        Decoding(no_repeat_ngram=3, repetition_penalty=1, min_target_tokens=6, max_target_tokens=24),
        Decoding(no_repeat_ngram=3, repetition_penalty=1.2, min_target_tokens=6, max_target_tokens=24),
        Decoding(4, no_repeat_ngram=0, repetition_penalty=1, min_target_tokens=0, max_target_tokens=24),
    ],
    ids=["greedy", "greedy without repeated 3-grams", "greedy with a penalty", "four beams"],
)
def test_the_answers_equal_those_of_transformers(
    converted: ConvertedModel, prompts: list[str], decoding: Decoding
) -> None:
    answers = converted.writer.write(converted.writer.encode(prompts, 128), decoding)
    expected = [generate(converted, text, decoding) for text in prompts]
    assert [(answer.text, answer.tokens, answer.ended) for answer in answers] == [
        (answer.text, answer.tokens, answer.ended) for answer in expected
    ]
    if decoding.repetition_penalty == 1:  # transformers also penalises the start token, which changes its scores
        scores = [answer.score for answer in answers]
        assert scores == pytest.approx([answer.score for answer in expected], abs=1e-4)


def test_the_converter_of_ctranslate2_alone_gives_other_scores(
    converted: ConvertedModel, prompts: list[str], tmp_path: Path
) -> None:
    """It scales the output of a model that has its own head. This is the reason for the change in `convert()`."""
    with torch.no_grad():
        spec = T5Loader()(converted.model, converted.tokenizer)
    spec.validate()
    spec.optimize()
    spec.save(str(tmp_path))
    sources = converted.writer.encode(prompts, 128)
    unchanged, ours = (
        Writer(tmp_path, converted.tokenizer, CPU).write(sources, PLAIN),
        converted.writer.write(sources, PLAIN),
    )
    assert unchanged[0].score != pytest.approx(ours[0].score, abs=0.01)


def test_int8_texts_do_not_depend_on_batches_and_workers(converted: ConvertedModel, prompts: list[str]) -> None:
    one_by_one = Writer(converted.folder / "int8", converted.tokenizer, InferenceDevice("cpu", "int8", 1, 1))
    sources = converted.int8.encode(prompts, 128)
    decoding = Decoding(max_target_tokens=24)
    together, alone = converted.int8.write(sources, decoding), one_by_one.write(sources, decoding)
    assert [(answer.text, answer.ended) for answer in together] == [(answer.text, answer.ended) for answer in alone]
    # With AVX-512 VNNI, the batch changes the rounding of some scores.
    assert [answer.score for answer in together] == pytest.approx([answer.score for answer in alone], abs=0.01)


def test_conversion_does_not_change_the_model(converted: ConvertedModel, tmp_path: Path) -> None:
    before = {name: weight.clone() for name, weight in converted.model.state_dict().items()}
    for precision in ("int8", "float32"):
        conversion.convert(converted.model, converted.tokenizer, tmp_path / precision, precision)
    assert all(torch.equal(weight, before[name]) for name, weight in converted.model.state_dict().items())


def test_an_answer_says_whether_it_has_an_end_token(converted: ConvertedModel, prompts: list[str]) -> None:
    sources = converted.writer.encode(prompts, 128)
    assert not any(answer.ended for answer in converted.writer.write(sources, Decoding(1, 0, 1, 2, 2)))
    assert any(answer.ended for answer in converted.writer.write(sources, PLAIN))


def test_equal_sources_are_answered_once(converted: ConvertedModel, prompts: list[str]) -> None:
    answered: dict[int, list[Answer]] = {}
    sources = converted.writer.encode(prompts[:2] * 3, 128)
    answers = converted.writer.write(sources, PLAIN, answered.__setitem__)
    assert answers[:2] * 3 == answers
    assert answered == {position: [answer] for position, answer in enumerate(answers)}
    assert converted.writer.write([], PLAIN) == []


def test_an_answer_does_not_repeat_an_n_gram(converted: ConvertedModel, prompts: list[str]) -> None:
    sources = converted.writer.encode(prompts, 128)

    def repetitions(decoding: Decoding) -> list[float]:
        return [repetition(answer.text) for answer in converted.writer.write(sources, decoding)]

    assert max(repetitions(Decoding(1, 0, 1, 60, 60))) > 0
    assert max(repetitions(Decoding(1, 3, 1, 60, 60))) == 0


def test_the_decoding_of_a_second_attempt_is_stricter() -> None:
    first = Decoding()
    second = first.stricter()
    assert second.beam_size > first.beam_size
    assert 0 < second.no_repeat_ngram < first.no_repeat_ngram
    assert second.repetition_penalty > first.repetition_penalty
    assert first.min_target_tokens <= second.max_target_tokens < first.max_target_tokens


def test_a_truncated_prompt_keeps_its_end_token(converted: ConvertedModel) -> None:
    [tokens] = converted.writer.encode(["word " * 500], 32)
    assert len(tokens) == 32
    assert tokens[-1] == "</s>"
    assert converted.writer.encode([], 32) == []


def test_batches_have_at_most_the_maximum_number_of_tokens_and_every_source() -> None:
    sources = [tuple(f"{row}-{place}" for place in range(row % 40 + 1)) for row in range(200)]
    decoding = Decoding(max_target_tokens=60)
    batches = generation.batches_by_tokens(sources, 1000, decoding)
    assert sorted(source for batch in batches for source in batch) == sorted(sources)
    assert all(len(batch) * (len(batch[0]) + 60) <= 1000 for batch in batches)
    assert len(batches) < 25
    assert generation.batches_by_tokens(sources[::-1], 1000, decoding) == batches
    assert len(generation.batches_by_tokens(sources, 1, decoding)) == 200


def test_a_signal_ends_generation_between_two_batches(converted: ConvertedModel, prompts: list[str]) -> None:
    arguments = [str(converted.folder / "float32"), str(converted.folder / "t5"), json.dumps(prompts)]
    command = [sys.executable, "-c", INTERRUPTED_AFTER_TWO_BATCHES, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 143, done.stderr
    assert done.stdout.split() == ["1", "1"]


def test_a_precision_that_the_cpu_does_not_support_is_a_configuration_error() -> None:
    supported = ctranslate2.get_supported_compute_types("cpu")
    unsupported = [precision for precision in get_args(Precision) if precision not in {"auto", *supported}]
    if not unsupported:
        pytest.skip("this CPU supports every precision")
    with pytest.raises(ConfigurationError, match=rf"--precision {unsupported[0]}.*float32"):
        inference.choose_device(unsupported[0])


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="there is a GPU")
def test_a_cpu_uses_int8_and_a_worker_per_cpu() -> None:
    device = inference.choose_device("auto")
    assert (device.name, device.precision, device.workers) == ("cpu", "int8", threads.cpus())
    assert inference.choose_device("auto", batch_tokens=7).batch_tokens == 7


def test_a_gpu_before_ampere_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(ctranslate2, "get_supported_compute_types", lambda name: {"float32", "float16", "int8"})
    device = inference.choose_device("auto")
    assert (device.name, device.precision) == ("cuda", "float32")
    with pytest.raises(
        ConfigurationError, match=r"--precision bfloat16 is not supported by this GPU; it supports float16"
    ):
        inference.choose_device("bfloat16")


def test_no_gpu_memory_for_the_weights_is_out_of_memory(
    converted: ConvertedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA failed with error out of memory")

    monkeypatch.setattr(ctranslate2, "Translator", fail)
    with pytest.raises(MemoryError, match="lower --batch-tokens"):
        Writer(converted.folder, converted.tokenizer, inference.choose_device("auto"))


def test_a_tokenizer_with_more_tokens_than_the_model_is_a_configuration_error(
    converted: ConvertedModel, tmp_path: Path
) -> None:
    tokenizer = copy.deepcopy(converted.tokenizer)
    tokenizer.add_tokens([f"<new{number}>" for number in range(100)])
    with pytest.raises(ConfigurationError, match="use the tokenizer of this model"):
        conversion.convert(converted.model, tokenizer, tmp_path, "float32")


def test_candidates_are_different_texts_and_the_first_is_that_of_the_same_beam(
    converted: ConvertedModel, prompts: list[str]
) -> None:
    sources = converted.writer.encode([*prompts[:6], prompts[0]], 128)
    candidates = converted.writer.write_candidates(sources, PLAIN, 4)
    assert candidates[6] == candidates[0]
    for hypotheses in candidates:
        assert len({(answer.text, answer.tokens) for answer in hypotheses}) == 4
        assert [answer.score for answer in hypotheses] == sorted((a.score for a in hypotheses), reverse=True)
    one_beam_each = converted.writer.write(sources, dataclasses.replace(PLAIN, beam_size=4))
    assert [hypotheses[0] for hypotheses in candidates] == one_beam_each
    assert [[answer] for answer in converted.writer.write(sources, PLAIN)] == converted.writer.write_candidates(
        sources, PLAIN, 1
    )


def test_int8_candidates_do_not_depend_on_batches_and_workers(converted: ConvertedModel, prompts: list[str]) -> None:
    one_by_one = Writer(converted.folder / "int8", converted.tokenizer, InferenceDevice("cpu", "int8", 1, 1))
    sources = converted.int8.encode(prompts[:6], 128)
    assert converted.int8.write_candidates(sources, PLAIN, 3) == one_by_one.write_candidates(sources, PLAIN, 3)


def test_an_unknown_token_is_seen_in_the_text(converted: ConvertedModel, prompts: list[str], tmp_path: Path) -> None:
    model, tokenizer = copy.deepcopy(converted.model), converted.tokenizer
    first = model.generate(**tokenizer(prompts[0], return_tensors="pt"), max_new_tokens=1)[0, 1]
    with torch.no_grad():
        model.lm_head.weight[tokenizer.unk_token_id] = 1.1 * model.lm_head.weight[first]
    conversion.convert(model, tokenizer, tmp_path, "float32")
    writer = Writer(tmp_path, tokenizer, CPU)
    [answer] = writer.write(writer.encode(prompts[:1], 128), PLAIN)
    assert answer.text == generate(dataclasses.replace(converted, model=model), prompts[0], PLAIN).text
    assert answer.text.startswith(UNKNOWN)


def test_the_unknown_share_counts_the_letters_and_digits_in_unknown_tokens(converted: ConvertedModel) -> None:
    shares = [converted.writer.unknown_share(text) for text in ("red lamp", "红灯 lamp", "红灯, 台灯!", "", "?! --")]
    assert shares == [0, 2 / 6, 1, 0, 0]
