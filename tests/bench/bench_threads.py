"""Two trainings at the same time against one after the other: python -m tests.bench.bench_threads [--rows N] [--shape SHAPE ...]

Each training is a separate process that does steps of the loss, the gradients and the optimizer of recipe `fast`, with the
number of threads and the waiting policy that `train` chooses. The baseline has torch's defaults: a thread per CPU, which spins
at barriers. `alone` is the rate of one training while the other does not run; `at the same time` is the rate of both together,
and its ratio to `alone` is 1 if sharing the CPUs costs nothing. The ratio of `alone` to that of the baseline shows what
the choice costs on an idle machine.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from jobs.process import threads

SHAPES = {
    "tiny": {"vocab_size": 2048, "d_model": 64, "d_kv": 16, "num_heads": 4, "d_ff": 128, "num_layers": 2},
    "small": {
        "vocab_size": 32128,
        "d_model": 512,
        "d_kv": 64,
        "num_heads": 6,
        "d_ff": 1024,
        "num_layers": 8,
    },  # FLAN-T5's
}
STEP_ROWS, SOURCE_TOKENS, TARGET_TOKENS = 8, 24, 48
SECONDS_PER_TRAINING, MIN_SECONDS, FULL_ROWS = {"tiny": 10.0, "small": 30.0}, 2.0, 2000
GOAL = 0.9
CHOSEN, DEFAULT = "chosen", "torch's defaults"
USER_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


@dataclass(frozen=True)
class Rates:
    """Steps per second: of one training alone, and of two at the same time, added up."""

    alone: float
    concurrent: float

    @property
    def ratio(self) -> float:
        """Throughput of two trainings at the same time, relative to one after the other."""
        return self.concurrent / self.alone


def main() -> None:
    """Measure each shape, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows",
        type=int,
        default=FULL_ROWS,
        help=f"with fewer than {FULL_ROWS:,} rows, only the tiny shape is measured, and each training is proportionally shorter",
    )
    parser.add_argument("--input", help="ignored: the other benchmarks have it")
    parser.add_argument("--shape", nargs="*", choices=tuple(SHAPES), help="default: all")
    parser.add_argument("--train", nargs=3, metavar=("SHAPE", "THREADS", "SECONDS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        shape, choice, seconds = arguments.train
        _train(shape, choice, float(seconds))
        return
    print(f"{threads.cpus()} CPUs, load average {os.getloadavg()[0]:.1f}")
    print(
        f"{'shape':<8}{'threads':<18}{'alone steps/s':>14}{'to baseline':>12}{'at the same time':>18}{'ratio':>7}{'goal':>7}"
    )
    for shape in arguments.shape or (SHAPES if arguments.rows >= FULL_ROWS else ("tiny",)):
        seconds = max(MIN_SECONDS, SECONDS_PER_TRAINING[shape] * min(1.0, arguments.rows / FULL_ROWS))
        baseline, chosen = _rates(shape, DEFAULT, seconds), _rates(shape, CHOSEN, seconds)
        for name, rates in ((DEFAULT, baseline), (CHOSEN, chosen)):
            goal = f"{GOAL:.1f}" if name == CHOSEN else "-"
            print(
                f"{shape:<8}{name:<18}{rates.alone:>14.2f}{rates.alone / baseline.alone:>11.2f}x{rates.concurrent:>18.2f}"
                f"{rates.ratio:>6.2f}x{goal:>7}",
                flush=True,
            )


def _rates(shape: str, choice: str, seconds: float) -> Rates:
    alone = _run(shape, choice, seconds, count=1)
    concurrent = _run(shape, choice, seconds, count=2)
    return Rates(alone, concurrent)


def _run(shape: str, choice: str, seconds: float, count: int) -> float:
    """Run `count` trainings at the same time. Returns the sum of their steps per second."""
    environment = {name: value for name, value in os.environ.items() if name not in USER_VARIABLES}
    if choice == CHOSEN:
        threads.set_waiting_policy(environment)
    command = [sys.executable, "-m", "tests.bench.bench_threads", "--train", shape, choice, str(seconds)]
    processes = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("start\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in processes)


def _train(shape: str, choice: str, seconds: float) -> None:
    """Train for some seconds and print the steps per second. Waits for a line on stdin after the first steps."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    from jobs.t5 import loss, models
    from jobs.train.optimizer import adamw
    from jobs.train.recipes import FAST

    torch.manual_seed(13)
    config = T5Config(**SHAPES[shape], feed_forward_proj="gated-gelu", decoder_start_token_id=0)  # type: ignore[arg-type, call-arg]
    model = T5ForConditionalGeneration(config)
    if choice == CHOSEN:
        models.set_threads(model)
    optimizer = adamw(model, FAST)
    inputs = {
        "input_ids": torch.randint(2, config.vocab_size, (STEP_ROWS, SOURCE_TOKENS)),
        "attention_mask": torch.ones((STEP_ROWS, SOURCE_TOKENS), dtype=torch.int64),
        "labels": torch.randint(2, config.vocab_size, (STEP_ROWS, TARGET_TOKENS)),
    }

    def step() -> None:
        (loss.summed_loss(model, inputs) / inputs["labels"].numel()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    for _ in range(2):
        step()
    print("ready", flush=True)
    sys.stdin.readline()
    started, steps = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        step()
        steps += 1
    print(steps / (time.monotonic() - started))


if __name__ == "__main__":
    main()
