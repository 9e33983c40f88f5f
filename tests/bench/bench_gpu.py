"""Training steps and the encoder on a GPU: python -m tests.bench.bench_gpu [--rows N] [--tokens N]

A model of FLAN-T5-base's shape with random weights does steps of the loss, the gradients and the optimizer of recipe `fast` in
bfloat16: with the layers of transformers, which are the baseline, and with those of `jobs.t5.fused`. `wall` is the time of a step,
`kernels` the time that the GPU computes in it; the fastest GPUs wait for the CPU, which launches the kernels, so there the second
is the one that other GPUs show. The encoder's baseline is torch's choice of attention, which is cuDNN's on some GPUs.
Without a GPU a tiny model does the same steps in float32, without `kernels` and memory, and the encoder is left out.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import T5Config, T5ForConditionalGeneration

from jobs.retrieval.encoder import Encoder
from jobs.t5 import fused
from jobs.t5.loss import summed_loss
from jobs.train.device import TrainingDevice, select_device
from jobs.train.optimizer import adamw
from jobs.train.recipes import FAST
from tests.factories import product

BASE: dict[str, Any] = {"d_model": 768, "d_kv": 64, "num_heads": 12, "d_ff": 2048, "num_layers": 12}
TINY: dict[str, Any] = {"d_model": 64, "d_kv": 16, "num_heads": 4, "d_ff": 128, "num_layers": 2}
VOCABULARY = 32128
WIDTHS = ((24, 64), (32, 128), (40, 256))
"""Source and target tokens per row of the batches, in turn."""

WARM_UP_STEPS, STEPS, PROFILED_STEPS = 6, 18, 3
CHUNK_TEXTS = 4096


@dataclass(frozen=True)
class Step:
    """A training step: milliseconds in total and of the GPU's kernels, and the most memory, in GB. None without a GPU."""

    wall: float
    kernels: float | None
    memory: float | None


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="texts for the encoder (default 20,000)")
    parser.add_argument("--tokens", type=int, default=16_384, help="target tokens per batch on a GPU (default 16,384)")
    parser.add_argument("--input", help="ignored: the other benchmarks have it")
    arguments = parser.parse_args()
    device = select_device()
    tokens = arguments.tokens if device.gpu else 1024
    baseline, own = (_step(device, replace, tokens) for replace in (lambda _model: None, fused.fuse))
    print(f"{device.gpu or 'CPU'}, torch {torch.__version__}, {tokens:,} target tokens per batch")
    print(f"{'':<10}{'transformers':>14}{'fused':>10}{'ratio':>8}")
    for name, unit in (("wall", "ms"), ("kernels", "ms"), ("memory", "GB")):
        before, after = getattr(baseline, name), getattr(own, name)
        if before is not None and after is not None:
            print(f"{name + ', ' + unit:<13}{before:>11.1f}{after:>10.1f}{before / after:>7.2f}x")
    if device.gpu:
        _print_encoder([product(number, "train") for number in range(arguments.rows)])


def _step(device: TrainingDevice, replace: Callable[[T5ForConditionalGeneration], None], tokens: int) -> Step:
    torch.manual_seed(13)
    if device.gpu:
        torch.cuda.reset_peak_memory_stats()
    config = T5Config(  # type: ignore[call-arg]
        vocab_size=VOCABULARY, feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
        **(BASE if device.gpu else TINY),
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    model.lm_head.weight = torch.nn.Parameter(torch.randn(VOCABULARY, config.d_model) * config.d_model**-0.5)
    replace(model)
    model.to(torch.device(device.name)).train()  # type: ignore[arg-type]
    optimizer = adamw(model, FAST)
    batches = [_batch(tokens // target, source, target, device.name) for source, target in WIDTHS]

    def steps(count: int) -> float:
        """Milliseconds per step."""
        started = time.monotonic()
        for number in range(count):
            with torch.autocast(device.name, torch.bfloat16, enabled=device.bf16):
                loss = summed_loss(model, batches[number % len(batches)])
            (loss / tokens).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), FAST.max_gradient_norm)
            optimizer.step()
            optimizer.zero_grad()
        if device.gpu:
            torch.cuda.synchronize()
        return 1000 * (time.monotonic() - started) / count

    steps(WARM_UP_STEPS if device.gpu else 1)
    wall = steps(STEPS if device.gpu else len(WIDTHS))
    if not device.gpu:
        return Step(wall, None, None)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        steps(PROFILED_STEPS)
    kernels = sum(event.self_device_time_total for event in profile.key_averages()) / 1000 / PROFILED_STEPS
    return Step(wall, kernels, torch.cuda.max_memory_allocated() / 1e9)


def _batch(rows: int, source: int, target: int, device: str) -> dict[str, torch.Tensor]:
    source_ids, labels = (torch.randint(2, VOCABULARY, (rows, width), device=device) for width in (source, target))
    return {"input_ids": source_ids, "attention_mask": torch.ones_like(source_ids), "labels": labels}


def _print_encoder(products: list[Any]) -> None:
    texts = sorted((f"{made.title}. {made.content}" for made in products), key=len)
    rates = []
    for of_cudnn in (True, False):
        encoder = Encoder()
        encoder.encode(texts[:10])
        torch.backends.cuda.enable_cudnn_sdp(of_cudnn)
        started = time.monotonic()
        for start in range(0, len(texts), CHUNK_TEXTS):
            encoder.encode(texts[start : start + CHUNK_TEXTS])
        rates.append(len(texts) / (time.monotonic() - started))
    print(
        f"encoder, texts/s: {rates[0]:,.0f} with torch's choice of attention, {rates[1]:,.0f} without cuDNN's: "
        f"{rates[1] / rates[0]:.2f}x"
    )


if __name__ == "__main__":
    main()
