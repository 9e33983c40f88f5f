"""Throughput of generation against generate(): python -m tests.bench.bench_describe [--rows N] [--input FILE] [--shape SHAPE]

Measured from prompts to texts. skuscribe generates with CTranslate2, in the precision that `describe` uses on this machine and in
batches by tokens; "with checks" does all that `describe` does with a title: it checks every text, with a matcher learnt from
generated products, and generates candidates where they may help; `checked` is its ratio to a baseline. The baselines are
generate() of transformers in float32, with one prompt at a time and with batches of 16 in the order of the input. All decode
greedily with the same limits on repetition and length. The tiny shape is trained for a moment, so that its texts end before the
limit and ROUGE-L is meaningful; the others have random weights and generate up to the limit. A baseline stops after 20 seconds;
each line states the number of rows.
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
from typing import Any

import torch
from transformers import T5Config, T5ForConditionalGeneration

from jobs.describe.describer import Describer, GenerationOptions
from jobs.describe.settings import Settings as Describe
from jobs.match.learning import learn
from jobs.match.settings import Settings as Match
from jobs.quality.checks import Checker
from jobs.quality.rouge import mean_rouge, rouge_scores
from jobs.storage.catalogue import TRAIN, Title
from jobs.t5 import conversion, inference, models, tiny
from jobs.t5.generation import Writer
from jobs.t5.loss import IGNORED
from jobs.t5.prompt import prompt
from jobs.t5.settings import Decoding
from tests.factories import product
from tests.match.products import learning_products

SHAPES = {"tiny": (64, 2), "small": (512, 8), "base": (768, 12)}  # width, layers
HEADS = {"small": (6, 64, 1024), "base": (12, 64, 2048)}  # heads, their width, the feed-forward width: FLAN-T5's
SINGLE_GOAL, BATCH_GOAL, ROUGE_GOAL = 10.0, 3.0, 0.01
TRAINING_STEPS, TRAINING_ROWS, PROMPT_TOKENS, BASELINE_SECONDS = 120, 240, 128, 20.0
MATCHER_PRODUCTS, TEST_PRODUCTS = 700, 100


@dataclass(frozen=True)
class Result:
    """The texts that a candidate generated for the first rows, and the seconds that it took."""

    name: str
    answers: list[str]
    seconds: float

    @property
    def per_second(self) -> float:
        """Products per second."""
        return len(self.answers) / self.seconds


def main() -> None:
    """Run skuscribe and the baselines, and print the table."""
    arguments = _arguments()
    titles, contents = _rows(arguments.input, arguments.rows)
    decoding = Decoding(max_target_tokens=arguments.tokens)
    with tempfile.TemporaryDirectory() as name:
        results, precision = _compare(arguments, titles, contents, decoding, Path(name))
    print(f"shape {arguments.shape}, at most {arguments.tokens} tokens per text, skuscribe in {precision}")
    print(
        f"{'':34}{'rows':>7}{'seconds':>9}{'products/s':>12}{'speedup':>9}{'checked':>9}{'goal':>6}{'ROUGE-L':>9}{'skuscribe':>12}"
    )
    ours = results[0]
    for result, goal in zip(results, (None, None, SINGLE_GOAL, BATCH_GOAL), strict=True):
        count = len(result.answers)
        ratios = [our.per_second / result.per_second for our in results[:2]]
        ratio, with_checks = ("", "") if goal is None else (f"{value:.1f}x" for value in ratios)
        goal_text = "" if goal is None else f"{goal:.0f}x"
        rouge, ours_rouge = _rouge(result.answers, contents), _rouge(ours.answers[:count], contents)
        print(
            f"{result.name:34}{count:>7}{result.seconds:>9.1f}{result.per_second:>12.1f}{ratio:>9}{with_checks:>9}{goal_text:>6}{rouge:>9.4f}{ours_rouge:>12.4f}"
        )
    batched = results[-1]
    ours_rouge, baseline_rouge = (
        _rouge(ours.answers[: len(batched.answers)], contents),
        _rouge(batched.answers, contents),
    )
    if arguments.shape == "tiny" and baseline_rouge:  # random weights generate noise, whose ROUGE is meaningless
        print(
            f"ROUGE-L, skuscribe against generate(): {ours_rouge / baseline_rouge - 1:+.2%} (goal: within {ROUGE_GOAL:.0%})"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000, help="titles that skuscribe describes (default 1000)")
    parser.add_argument(
        "--input", type=Path, help="JSON Lines with title and content, optionally gzipped; default: generated rows"
    )
    parser.add_argument("--tokenizer", type=Path, help="folder of a tokenizer; default: trained on the rows")
    parser.add_argument("--shape", choices=SHAPES, default="tiny", help="shape of the model (default tiny)")
    parser.add_argument("--tokens", type=int, default=128, help="maximum length of a text, in tokens (default 128)")
    return parser.parse_args()


def _compare(
    arguments: argparse.Namespace, titles: Sequence[str], contents: Sequence[str], decoding: Decoding, work: Path
) -> tuple[list[Result], str]:
    vocabulary = arguments.tokenizer or work / "tokenizer"
    if not arguments.tokenizer:
        tiny.train_tokenizer([*titles, *contents], vocabulary, 2000)
    model = _model(arguments.shape, vocabulary, work, titles, contents)
    tokenizer = models.load_tokenizer(vocabulary)
    device = inference.choose_device("auto")
    conversion.convert(model, tokenizer, work / "converted", device.precision)
    writer = Writer(work / "converted", tokenizer, device)
    prompts = [prompt(title) for title in titles]

    def with_ctranslate2(texts: Sequence[str]) -> list[str]:
        return [answer.text for answer in writer.write(writer.encode(texts, PROMPT_TOKENS), decoding)]

    def with_generate(texts: Sequence[str]) -> list[str]:
        inputs = tokenizer(list(texts), truncation=True, max_length=PROMPT_TOKENS, padding=True, return_tensors="pt")
        generate: Any = model.generate  # type: ignore[misc]  # its type of self excludes T5
        outputs = generate(
            **inputs.to(device.name), do_sample=False, num_beams=1, max_new_tokens=decoding.max_target_tokens,
            min_new_tokens=decoding.min_target_tokens, no_repeat_ngram_size=decoding.no_repeat_ngram,
            repetition_penalty=decoding.repetition_penalty,
        )  # fmt: skip
        return [text.strip() for text in tokenizer.batch_decode(outputs, skip_special_tokens=True)]

    options = GenerationOptions(
        decoding=decoding, candidates=Describe().candidates, prompt_neighbours=0, prompt_max_tokens=PROMPT_TOKENS
    )
    describer = Describer(writer, "", _checker(), options)

    def with_checks(texts: Sequence[str]) -> list[str]:
        rows = [Title(str(number), title) for number, title in enumerate(texts)]
        return [row.description for row in describer.describe(rows, [()] * len(rows))]

    model.to(device.name)  # type: ignore[arg-type]  # its type hint lacks device names
    return [
        _timed("skuscribe", with_ctranslate2, prompts, len(prompts)),
        _timed("skuscribe, with checks", with_checks, titles, len(titles)),
        _timed("generate(), one at a time", with_generate, prompts, 1),
        _timed("generate(), batches of 16", with_generate, prompts, 16),
    ], f"{device.precision} on {device.name}, {device.workers} batches at a time"


def _checker() -> Checker:
    """Return the checks with a matcher that has learnt from generated products."""
    products = learning_products(MATCHER_PRODUCTS, seed=13)
    matcher = learn(products[TEST_PRODUCTS:], products[:TEST_PRODUCTS], Match().hold_back, seed=13)
    return Checker(matcher, matcher.calibration.publish_from)


def _timed(name: str, write: Callable[[Sequence[str]], list[str]], prompts: Sequence[str], batch: int) -> Result:
    """Time batches of this size, until all prompts are done or 20 seconds have passed. A first batch warms up, untimed."""
    write(prompts[: min(batch, 16)])
    answers: list[str] = []
    started = time.perf_counter()
    remaining = iter(prompts)
    while (batch_prompts := list(islice(remaining, batch))) and time.perf_counter() - started < BASELINE_SECONDS:
        answers += write(batch_prompts)
    return Result(name, answers, time.perf_counter() - started)


def _model(
    shape: str, vocabulary: Path, work: Path, titles: Sequence[str], contents: Sequence[str]
) -> T5ForConditionalGeneration:
    """Return a T5 of this shape: the tiny one of `fetch-model`, trained for a moment, or another one with random weights."""
    width, layers = SHAPES[shape]
    if shape == "tiny":
        tiny.build(work / "model", vocabulary, width, layers, seed=13)
        model = models.load(work / "model")
        _train(model, vocabulary, titles, contents)
        return model.eval()  # type: ignore[no-any-return,no-untyped-call]
    heads, head_width, feed_forward = HEADS[shape]
    config = T5Config(  # type: ignore[call-arg]  # its type hints lack the common arguments
        vocab_size=32_128, d_model=width, d_kv=head_width, num_heads=heads, d_ff=feed_forward, num_layers=layers,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
    )  # fmt: skip
    torch.manual_seed(13)
    model = T5ForConditionalGeneration(config)
    model.lm_head.weight = torch.nn.Parameter(torch.randn(config.vocab_size, width) * width**-0.5)
    return model.eval()  # type: ignore[no-any-return,no-untyped-call]


def _train(model: Any, vocabulary: Path, titles: Sequence[str], contents: Sequence[str]) -> None:
    tokenizer = models.load_tokenizer(vocabulary)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    torch.manual_seed(13)
    model.train()
    for step in range(TRAINING_STEPS):
        rows = [(step * 16 + row) % min(len(titles), TRAINING_ROWS) for row in range(16)]
        sources = tokenizer(
            [prompt(titles[row]) for row in rows], padding=True, truncation=True, max_length=64, return_tensors="pt"
        )
        targets = tokenizer(
            [contents[row] for row in rows], padding=True, truncation=True, max_length=96, return_tensors="pt"
        )
        labels = targets.input_ids.masked_fill(targets.attention_mask == 0, IGNORED)
        loss = model(**sources, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print(f"trained for {TRAINING_STEPS} steps, loss {loss.item():.2f}", file=sys.stderr)


def _rows(path: Path | None, count: int) -> tuple[list[str], list[str]]:
    if path is None:
        products = [product(number, TRAIN) for number in range(count)]
        return [item.title for item in products], [item.content for item in products]
    data = path.read_bytes()
    lines = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode().split("\n")
    complete = (row for row in map(json.loads, filter(None, lines)) if row["title"].strip() and row["content"].strip())
    rows = list(islice(complete, count))
    return [row["title"] for row in rows], [row["content"] for row in rows]


def _rouge(answers: Sequence[str], contents: Sequence[str]) -> float:
    return mean_rouge(rouge_scores(answers, contents[: len(answers)])).rougeL


if __name__ == "__main__":
    main()
