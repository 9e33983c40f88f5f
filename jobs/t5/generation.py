"""Text generation with a T5 that was converted to CTranslate2.

Greedy decoding gives the same tokens as `generate()` of transformers, with and without the two settings against repetition.
Beam search gives the same tokens without them; with them it differs a little, because CTranslate2 forbids tokens before the
softmax and transformers after it.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ctranslate2
from transformers import PreTrainedTokenizerFast

from jobs.process import lifecycle
from jobs.t5 import gpu
from jobs.t5.batches import batches_from_longest
from jobs.t5.inference import InferenceDevice
from jobs.t5.settings import Decoding
from jobs.text.unknown import UNKNOWN

Source = tuple[str, ...]
"""The tokens of a prompt."""

OnAnswers = Callable[[int, "list[Answer]"], None]
"""`on_answers(position, answers)` is called for each source when its batch is finished, while the next ones are generated."""


@dataclass(frozen=True)
class Answer:
    """The generated text, with `UNKNOWN` for each unknown token. `tokens`: its length, the end token included; `ended`: whether the model wrote the end token.

    `score` is the mean log-probability of the tokens, in nats.
    """

    text: str
    tokens: int
    ended: bool
    score: float


class Writer:
    """A converted model in memory."""

    def __init__(self, folder: Path, tokenizer: PreTrainedTokenizerFast, device: InferenceDevice) -> None:
        if device.name == "cuda":
            gpu.load_cublas()
        self.device = device
        self._tokenizer = tokenizer
        with _out_of_gpu_memory():
            self._translator = ctranslate2.Translator(
                str(folder), device.name, compute_type=device.precision, inter_threads=device.workers,
                intra_threads=1 if device.name == "cpu" else 0,
            )  # fmt: skip
        special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        hidden = special - {tokenizer.unk_token}
        self._ids = {token: number for token, number in tokenizer.get_vocab().items() if token not in hidden}

    def encode(self, prompts: Sequence[str], max_source_tokens: int) -> list[list[str]]:
        """Return the tokens of each prompt with the end token, truncated to `max_source_tokens`."""
        if not prompts:
            return []
        encoded = self._tokenizer(list(prompts), truncation=True, max_length=max_source_tokens)
        return [list(encoding.tokens) for encoding in encoded.encodings]

    def write(
        self,
        sources: Sequence[Sequence[str]],
        decoding: Decoding,
        on_answers: OnAnswers = lambda _position, _answers: None,
    ) -> list[Answer]:
        """Return the answer to each source, in order. Equal sources are answered once.

        Batches depend only on the sources, so the same sources get the same answers. Errors: `Interrupted` between batches;
        `MemoryError` (137) if the GPU runs out of memory.
        """
        return [answers[0] for answers in self.write_candidates(sources, decoding, 1, on_answers)]

    def write_candidates(
        self,
        sources: Sequence[Sequence[str]],
        decoding: Decoding,
        candidates: int,
        on_answers: OnAnswers = lambda _position, _answers: None,
    ) -> list[list[Answer]]:
        """Return the best `candidates` hypotheses of the beam for each source, most probable first; otherwise as `write()`.

        The beam is as wide as the number of candidates, if it was narrower.
        """
        decoding = replace(decoding, beam_size=max(decoding.beam_size, candidates))
        positions: dict[Source, list[int]] = {}
        for position, source in enumerate(sources):
            positions.setdefault(tuple(source), []).append(position)
        answers: dict[int, list[Answer]] = {}
        batches = batches_by_tokens(list(positions), self.device.batch_tokens // decoding.beam_size, decoding)
        for batch, batch_answers in self._translate(batches, decoding, candidates):
            for source, hypotheses in zip(batch, batch_answers, strict=True):
                for position in positions[source]:
                    answers[position] = hypotheses
                    on_answers(position, hypotheses)
        return [answers[position] for position in range(len(sources))]

    def unknown_share(self, text: str) -> float:
        """Return the fraction of the letters and digits of a text that are in tokens unknown to the tokenizer."""
        encoding = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        unknown, letters = 0, sum(map(str.isalnum, text))
        for token, (start, end) in zip(encoding.input_ids, encoding.offset_mapping, strict=True):
            if token == self._tokenizer.unk_token_id:
                unknown += sum(map(str.isalnum, text[start:end]))
        return unknown / letters if letters else 0.0

    def _translate(
        self, batches: Sequence[list[Source]], decoding: Decoding, candidates: int
    ) -> Iterator[tuple[list[Source], list[list[Answer]]]]:
        """Yield each batch with its answers. Each worker has one batch and one more in its queue, so that it stops soon."""
        waiting, submitted = deque(batches), deque[tuple[list[Source], list[Any]]]()
        with lifecycle.deferred() as stop:
            while waiting or submitted:
                stop.check()
                while waiting and len(submitted) <= 2 * self.device.workers:
                    batch = waiting.popleft()
                    submitted.append((batch, self._submit(batch, decoding, candidates)))
                finished, results = submitted.popleft()
                yield finished, [self._answers(_wait(result)) for result in results]

    def _submit(self, batch: Sequence[Sequence[str]], decoding: Decoding, candidates: int) -> list[Any]:
        return list(
            self._translator.translate_batch(
                [list(source) for source in batch],
                asynchronous=True,
                beam_size=decoding.beam_size,
                num_hypotheses=candidates,
                no_repeat_ngram_size=decoding.no_repeat_ngram,
                repetition_penalty=decoding.repetition_penalty,
                min_decoding_length=decoding.min_target_tokens,
                max_decoding_length=decoding.max_target_tokens,
                max_input_length=0,
                return_end_token=True,
                return_scores=True,
            )
        )

    def _answers(self, result: Any) -> list[Answer]:
        return [self._answer(tokens, score) for tokens, score in zip(result.hypotheses, result.scores, strict=True)]

    def _answer(self, tokens: Sequence[str], score: float) -> Answer:
        ids = [self._ids[token] for token in tokens if token in self._ids]
        text = str(self._tokenizer.decode(ids)).replace(self._tokenizer.unk_token, UNKNOWN).strip()
        ended = bool(tokens) and tokens[-1] == self._tokenizer.eos_token
        return Answer(text, len(tokens), ended, float(score))


def batches_by_tokens(sources: Sequence[Source], batch_tokens: int, decoding: Decoding) -> list[list[Source]]:
    """Return the sources from long to short, in batches of at most `batch_tokens` padded source and target tokens."""
    ordered = sorted(sources)  # so that the order of the sources does not change the batches
    lengths = [len(source) + decoding.max_target_tokens for source in ordered]
    return [[ordered[row] for row in rows] for rows in batches_from_longest(lengths, batch_tokens)]


def _wait(result: Any) -> Any:
    with _out_of_gpu_memory():
        return result.result()


@contextmanager
def _out_of_gpu_memory() -> Iterator[None]:
    """Turn CTranslate2's error about missing memory into a `MemoryError` (137)."""
    try:
        yield
    except RuntimeError as error:
        if "out of memory" in str(error):  # CTranslate2 has no error type for it
            raise MemoryError(f"the GPU is out of memory ({error}): lower --batch-tokens") from error
        raise
