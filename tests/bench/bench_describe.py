"""Describing, beside its rivals: python -m tests.bench.bench_describe [--rows N] [--input FILE] [--shape tiny|small|base]

From prompts to texts. Ours is CTranslate2 in the precision that `describe` takes here, batches by tokens; the rivals are
transformers' generate() one prompt at a time, and in batches of 16 as they come, in float32. All decode greedily with the same
guards against repetition and the same limit of tokens. Random weights rarely stop by themselves, so the small and the base
shape write to the limit; the tiny one is trained for a moment first, so that its texts end, and ROUGE-L says something.
A rival that takes longer than 20 seconds gets fewer rows, the first ones; each line says how many.
"""

import argparse
import gzip
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.quality import metrics
from jobs.t5 import generation, models, tiny
from jobs.t5.generation import Writer
from jobs.t5.prompt import prompt
from jobs.t5.settings import Decoding
from tests.factories import product

if TYPE_CHECKING:
    from transformers import T5ForConditionalGeneration

SHAPES = {"tiny": (64, 2), "small": (512, 8), "base": (768, 12)}  # width, layers
HEADS = {"small": (6, 64, 1024), "base": (12, 64, 2048)}  # heads, their width, the feed-forward width: FLAN-T5's
ALONE_GOAL, BATCH_GOAL, ROUGE_GOAL = 10.0, 3.0, 0.01
TRAINING_STEPS, TRAINING_ROWS, PROMPT_TOKENS, SECONDS_FOR_A_RIVAL = 120, 240, 128, 20.0


@dataclass(frozen=True)
class Result:
    """What one of them did: its texts for the first rows, and the seconds that it took."""

    name: str
    answers: list[str]
    seconds: float

    @property
    def per_second(self) -> float:
        """Products a second."""
        return len(self.answers) / self.seconds


def main() -> None:
    """Run the three, print the table."""
    arguments = _arguments()
    titles, contents = _rows(arguments.input, arguments.rows)
    decoding = Decoding(max_target_tokens=arguments.tokens)
    with tempfile.TemporaryDirectory() as name:
        results, precision = _compare(arguments, titles, contents, decoding, Path(name))
    print(f"shape {arguments.shape}, at most {arguments.tokens} tokens a text, ours in {precision}")
    print(
        f"{'':34}{'rows':>7}{'seconds':>9}{'products/s':>12}{'ours/it':>9}{'goal':>6}{'ROUGE-L':>9}{'ours there':>12}"
    )
    ours = results[0]
    for result, goal in zip(results, (None, ALONE_GOAL, BATCH_GOAL), strict=True):
        count = len(result.answers)
        ratio = "" if goal is None else f"{ours.per_second / result.per_second:.1f}x"
        wanted = "" if goal is None else f"{goal:.0f}x"
        rouge, own = _rouge(result.answers, contents), _rouge(ours.answers[:count], contents)
        print(
            f"{result.name:34}{count:>7}{result.seconds:>9.1f}{result.per_second:>12.1f}{ratio:>9}{wanted:>6}{rouge:>9.4f}{own:>12.4f}"
        )
    batched = results[2]
    own, theirs = _rouge(ours.answers[: len(batched.answers)], contents), _rouge(batched.answers, contents)
    if arguments.shape == "tiny" and theirs:  # random weights write noise, and its ROUGE says nothing
        print(f"ROUGE-L, ours against generate(): {own / theirs - 1:+.2%} (goal: within {ROUGE_GOAL:.0%})")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000, help="titles for ours (default 1000)")
    parser.add_argument(
        "--input", type=Path, help="JSON Lines, gzipped or not, with title and content; default: made up"
    )
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer's folder; default: learnt from the rows")
    parser.add_argument("--shape", choices=SHAPES, default="tiny", help="the model's shape (default tiny)")
    parser.add_argument("--tokens", type=int, default=128, help="longest text, in tokens (default 128)")
    return parser.parse_args()


def _compare(
    arguments: argparse.Namespace, titles: Sequence[str], contents: Sequence[str], decoding: Decoding, work: Path
) -> tuple[list[Result], str]:
    vocabulary = arguments.tokenizer or work / "tokenizer"
    if not arguments.tokenizer:
        tiny.train_tokenizer([*titles, *contents], vocabulary, 2000)
    model = _model(arguments.shape, vocabulary, work, titles, contents)
    tokenizer = models.load_tokenizer(vocabulary)
    device = generation.choose_device("auto")
    generation.convert(model, tokenizer, work / "converted", device.precision)
    writer = Writer(work / "converted", tokenizer, device)
    prompts = [prompt(title) for title in titles]

    def ours(texts: Sequence[str]) -> list[str]:
        return [answer.text for answer in writer.write(writer.encode(texts, PROMPT_TOKENS), decoding)]

    def theirs(texts: Sequence[str]) -> list[str]:
        inputs = tokenizer(list(texts), truncation=True, max_length=PROMPT_TOKENS, padding=True, return_tensors="pt")
        generate: Any = model.generate  # type: ignore[misc]  # its own declaration of self leaves T5 out
        written = generate(
            **inputs.to(device.name), do_sample=False, num_beams=1, max_new_tokens=decoding.max_target_tokens,
            min_new_tokens=decoding.min_target_tokens, no_repeat_ngram_size=decoding.no_repeat_ngram,
            repetition_penalty=decoding.repetition_penalty,
        )  # fmt: skip
        return [text.strip() for text in tokenizer.batch_decode(written, skip_special_tokens=True)]

    model.to(device.name)  # type: ignore[arg-type]  # its declaration takes no name
    return [
        _timed("skuscribe", ours, prompts, len(prompts)),
        _timed("generate(), one by one", theirs, prompts, 1),
        _timed("generate(), batches of 16", theirs, prompts, 16),
    ], f"{device.precision} on {device.name}, {device.workers} batches at a time"


def _timed(name: str, write: Callable[[Sequence[str]], list[str]], prompts: Sequence[str], batch: int) -> Result:
    """All prompts in batches of this size, or as many as 20 seconds allow; the first call, not counted, warms up."""
    write(prompts[: min(batch, 16)])
    answers: list[str] = []
    began = time.perf_counter()
    waiting = iter(prompts)
    while (some := list(islice(waiting, batch))) and time.perf_counter() - began < SECONDS_FOR_A_RIVAL:
        answers += write(some)
    return Result(name, answers, time.perf_counter() - began)


def _model(
    shape: str, vocabulary: Path, work: Path, titles: Sequence[str], contents: Sequence[str]
) -> "T5ForConditionalGeneration":
    """A T5 of this shape: the tiny one as `fetch-model` makes it, trained for a moment; the others with random weights."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    width, layers = SHAPES[shape]
    if shape == "tiny":
        tiny.build(work / "model", vocabulary, width, layers, seed=13)
        model = models.load(work / "model")
        _train(model, vocabulary, titles, contents)
        return model.eval()  # type: ignore[no-any-return,no-untyped-call]
    heads, head_width, feed_forward = HEADS[shape]
    config = T5Config(  # type: ignore[call-arg]  # it takes more than it declares
        vocab_size=32_128, d_model=width, d_kv=head_width, num_heads=heads, d_ff=feed_forward, num_layers=layers,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
    )  # fmt: skip
    torch.manual_seed(13)
    model = T5ForConditionalGeneration(config)
    model.lm_head.weight = torch.nn.Parameter(torch.randn(config.vocab_size, width) * width**-0.5)
    return model.eval()  # type: ignore[no-any-return,no-untyped-call]


def _train(model: Any, vocabulary: Path, titles: Sequence[str], contents: Sequence[str]) -> None:
    import torch

    tokenizer = models.load_tokenizer(vocabulary)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    torch.manual_seed(13)
    model.train()
    for step in range(TRAINING_STEPS):
        rows = [(step * 16 + row) % min(len(titles), TRAINING_ROWS) for row in range(16)]
        asked = tokenizer(
            [prompt(titles[row]) for row in rows], padding=True, truncation=True, max_length=64, return_tensors="pt"
        )
        texts = tokenizer(
            [contents[row] for row in rows], padding=True, truncation=True, max_length=96, return_tensors="pt"
        )
        labels = texts.input_ids.masked_fill(texts.attention_mask == 0, -100)
        loss = model(**asked, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print(f"trained for {TRAINING_STEPS} steps, loss {loss.item():.2f}", file=sys.stderr)


def _rows(path: Path | None, count: int) -> tuple[list[str], list[str]]:
    if path is None:
        made = [product(number, "train") for number in range(count)]
        return [item.title for item in made], [item.content for item in made]
    data = path.read_bytes()
    lines = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode().split("\n")
    found = (row for row in map(json.loads, filter(None, lines)) if row["title"].strip() and row["content"].strip())
    rows = list(islice(found, count))
    return [row["title"] for row in rows], [row["content"] for row in rows]


def _rouge(answers: Sequence[str], contents: Sequence[str]) -> float:
    return metrics.mean(metrics.rouge(answers, contents[: len(answers)])).rougeL


if __name__ == "__main__":
    main()
