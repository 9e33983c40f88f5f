"""Writing text with a T5: converted to CTranslate2, decoded in batches by tokens, without repetition.

int8 on a CPU, bfloat16 on a GPU, float32 where asked for. Greedy decoding agrees with `generate()` token by token, with and
without the two guards against repetition; beam search agrees without them, and with them differs a little: CTranslate2
forbids tokens before the softmax, transformers after it.
"""

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.process import lifecycle
from jobs.process.errors import ConfigurationError
from jobs.t5 import gpu
from jobs.t5.settings import Decoding, Precision

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 8_192, 131_072


@dataclass(frozen=True)
class Answer:
    """What the model wrote: its text, its length in tokens (end of text included), and whether it ended by itself.

    `score` is the mean log-probability of its tokens, in nats.
    """

    text: str
    tokens: int
    ended: bool
    score: float


@dataclass(frozen=True)
class Device:
    """Where to write, with how many translations at a time, and in batches of how many padded tokens."""

    name: str
    precision: str
    workers: int
    batch_tokens: int


def choose_device(precision: Precision, batch_tokens: int = 0) -> Device:
    """The GPU if there is one, else the CPU with one translation a core; 0 means as many as there are, or as fit."""
    import ctranslate2

    if ctranslate2.get_cuda_device_count():
        return Device("cuda", "bfloat16" if precision == "auto" else precision, 1, batch_tokens or GPU_BATCH_TOKENS)
    chosen = "int8" if precision == "auto" else precision
    if chosen not in ctranslate2.get_supported_compute_types("cpu"):
        supported = ", ".join(sorted(ctranslate2.get_supported_compute_types("cpu")))
        raise ConfigurationError(f"--precision {chosen} cannot be computed on this CPU; it can do {supported}")
    return Device("cpu", chosen, len(os.sched_getaffinity(0)), batch_tokens or CPU_BATCH_TOKENS)


def generation_config(precision: Precision, prompt_max_tokens: int, decoding: Decoding) -> dict[str, Any]:
    """Return what determines the generated text, as manifests record it. Threads and batch sizes do not change it."""
    return {
        "prompt_max_tokens": prompt_max_tokens,
        "precision": choose_device(precision).precision,
        **asdict(decoding),
    }


def convert(
    model: "T5ForConditionalGeneration", tokenizer: "PreTrainedTokenizerFast", folder: Path, precision: str
) -> None:
    """Write `model` to `folder` as CTranslate2 reads it, with weights in `precision`."""
    import torch
    from ctranslate2.converters.transformers import T5Loader
    from ctranslate2.specs.model_spec import OPTIONAL

    loader = T5Loader()
    with torch.no_grad():
        # Quantisation scales the weights where they lie, and they are the model's own: it works on a copy.
        spec = loader.get_model_spec(copy.deepcopy(model) if precision.startswith("int8") else model)
    if not model.config.scale_decoder_outputs:
        # The loader takes `tie_word_embeddings` for the sign of a head that scales, and transformers 5 says it of every T5.
        spec.decoder.scale_outputs = OPTIONAL
    loader.set_config(spec.config, model, tokenizer)
    spec.config.layer_norm_epsilon = model.config.layer_norm_epsilon
    loader.set_vocabulary(spec, _vocabulary(tokenizer, model.config.vocab_size))
    spec.validate()
    spec.optimize(quantization=None if precision == "float32" else precision)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))


class Writer:
    """A converted model, ready to write."""

    def __init__(self, folder: Path, tokenizer: "PreTrainedTokenizerFast", device: Device) -> None:
        import ctranslate2

        if device.name == "cuda":
            gpu.load_cublas()
        self.device = device
        self._tokenizer = tokenizer
        self._translator = ctranslate2.Translator(
            str(folder), device.name, compute_type=device.precision, inter_threads=device.workers,
            intra_threads=1 if device.name == "cpu" else 0,
        )  # fmt: skip
        self._ids: dict[str, int] = tokenizer.get_vocab()

    def encode(self, prompts: Sequence[str], max_source_tokens: int) -> list[list[str]]:
        """The tokens of each prompt with the end mark, at most `max_source_tokens` of them, cut at the end."""
        if not prompts:
            return []
        found = self._tokenizer(list(prompts), truncation=True, max_length=max_source_tokens)
        return [list(item.tokens) for item in found.encodings]

    def write(
        self,
        sources: Sequence[Sequence[str]],
        decoding: Decoding,
        on_answers: Callable[[int], None] = lambda _count: None,
    ) -> list[Answer]:
        """The answer to each source, in their order; equal sources are answered once.

        The batches depend on the sources alone, so the same sources get the same answers. `on_answers` is told how many
        sources each batch has answered. Errors: `Interrupted` between batches; `ConfigurationError` when memory runs out.
        """
        positions: dict[tuple[str, ...], list[int]] = {}
        for position, source in enumerate(sources):
            positions.setdefault(tuple(source), []).append(position)
        answers: dict[int, Answer] = {}
        batches = batches_by_tokens(list(positions), self.device.batch_tokens // decoding.beam_size, decoding)
        for batch, found in self._translated(batches, decoding):
            for source, answer in zip(batch, found, strict=True):
                answers.update(dict.fromkeys(positions[source], answer))
            on_answers(sum(len(positions[source]) for source in batch))
        return [answers[position] for position in range(len(sources))]

    def _translated(
        self, batches: Sequence[list[tuple[str, ...]]], decoding: Decoding
    ) -> Iterator[tuple[list[tuple[str, ...]], list[Answer]]]:
        """Each batch with its answers. Every worker has a batch in hand and one waiting, no more, so that a stop is quick."""
        waiting: list[tuple[list[tuple[str, ...]], list[Any]]] = []
        with lifecycle.deferred() as stop:
            for batch in [*batches, *[[]] * (2 * self.device.workers)]:
                stop.check()
                waiting.append((batch, self._submit(batch, decoding)))
                if len(waiting) > 2 * self.device.workers:
                    done, results = waiting.pop(0)
                    yield done, [self._answer(_result(item)) for item in results]

    def _submit(self, batch: Sequence[Sequence[str]], decoding: Decoding) -> list[Any]:
        if not batch:
            return []
        return list(
            self._translator.translate_batch(
                [list(source) for source in batch],
                asynchronous=True,
                beam_size=decoding.beam_size,
                no_repeat_ngram_size=decoding.no_repeat_ngram,
                repetition_penalty=decoding.repetition_penalty,
                min_decoding_length=decoding.min_target_tokens,
                max_decoding_length=decoding.max_target_tokens,
                max_input_length=0,
                return_end_token=True,
                return_scores=True,
            )
        )

    def _answer(self, result: Any) -> Answer:
        tokens = result.hypotheses[0]
        ids = [self._ids[token] for token in tokens if token in self._ids]
        text = str(self._tokenizer.decode(ids, skip_special_tokens=True)).strip()
        ended = bool(tokens) and tokens[-1] == self._tokenizer.eos_token
        return Answer(text, len(tokens), ended, float(result.scores[0]))


def batches_by_tokens(
    sources: Sequence[tuple[str, ...]], batch_tokens: int, decoding: Decoding
) -> list[list[tuple[str, ...]]]:
    """The sources from long to short, in batches whose padded source and target tokens keep to `batch_tokens`."""
    batches: list[list[tuple[str, ...]]] = []
    for source in sorted(sources, key=lambda item: (-len(item), item)):
        if batches and (len(batches[-1]) + 1) * (len(batches[-1][0]) + decoding.max_target_tokens) <= batch_tokens:
            batches[-1].append(source)
        else:
            batches.append([source])
    return batches


def _vocabulary(tokenizer: "PreTrainedTokenizerFast", size: int) -> list[str]:
    """Every token by its id; the ids beyond the tokenizer's, which pad the matrix, get names that no token has."""
    tokens = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    if len(tokens) > size:
        raise ConfigurationError(
            f"the tokenizer has {len(tokens):,} tokens and the model {size:,}: they do not belong together"
        )
    return tokens + [f"<unused_{number}>" for number in range(len(tokens), size)]


def _result(waiting: Any) -> Any:
    try:
        return waiting.result()
    except RuntimeError as error:
        if "out of memory" in str(error):
            raise ConfigurationError(f"the GPU is out of memory ({error}): lower --batch-tokens") from error
        raise
