"""Facts right with counterfactual rows: python -m tests.bench.bench_counterfactuals [--rows N [N ...]] [--seeds N]

The jobs `prepare`, `fetch-model` and `train` train a tiny T5 on generated products, with and without `--counterfactual-share 1`,
with at most as many steps. The baseline is the training without. Counted are the greedy texts of 150 other titles in which
every fact of the title is right (`all right`), and the facts that are right (`facts`), in total of all seeds.
"""

import argparse
import random
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from jobs.fetch_model import job as fetch_model
from jobs.fetch_model import settings as fetch_model_settings
from jobs.prepare import job as prepare
from jobs.prepare import settings as prepare_settings
from jobs.sample.facts import FACTS, check_facts
from jobs.sample.products import product
from jobs.sample.rows import write_sample
from jobs.storage import layout, runs
from jobs.storage.store import Store
from jobs.t5 import models
from jobs.t5.prompt import prompt
from jobs.train import job as train
from jobs.train import settings as train_settings
from tests.bench.running import running_services

TITLES, STEPS, BATCH_ROWS, LEARNING_RATE, MAX_TOKENS = 150, 600, 16, 0.006, 64
MAX_ROWS = 680
"""Rows of a shard of `make run`."""


def main() -> None:
    """Run the trainings, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[100, 250], help="numbers of rows (default 100 and 250)")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each kind (default 1)")
    parser.add_argument("--input", help="not used: only generated products tell which facts are right")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with running_services() as work:
        _compare(sorted({min(rows, MAX_ROWS) for rows in arguments.rows}), arguments.seeds, work)


def _compare(sizes: list[int], seeds: int, work: Path) -> None:
    print(f"{'rows':>6}{'counterfactual':>16}{'steps':>7}{'all right':>11}{'ratio':>7}{'facts':>9}")
    for rows in sizes:
        store = _prepare(rows, work)
        baseline = 0
        for share in (0.0, 1.0):
            counts: Counter[str] = Counter()
            for seed in range(seeds):
                counts += _trained(store, rows, share, seed, work)
            baseline = baseline or counts["all right"]
            ratio = f"{counts['all right'] / baseline:.2f}x" if baseline else "-"
            right = f"{counts['all right']}/{seeds * TITLES}"
            facts = f"{counts['facts'] / (seeds * TITLES * len(FACTS)):.0%}"
            print(
                f"{rows:>6}{counts['made'] // seeds:>16}{counts['steps'] // seeds:>7}{right:>11}{ratio:>7}{facts:>9}",
                flush=True,
            )


def _prepare(rows: int, work: Path) -> Store:
    """Make a catalogue of one shard and a base model."""
    store, path = Store(f"s3://skuscribe/{rows}"), work / f"{rows}.jsonl.gz"
    write_sample(path, rows, seed=5)
    chosen = {"store": store.url, "input": str(path), "held_out_rows": 10}
    prepare.run(prepare_settings.Settings.model_validate(chosen))
    fetch_model.run(fetch_model_settings.Settings.model_validate({"store": store.url, "source": "tiny"}))
    return store


def _trained(store: Store, rows: int, share: float, seed: int, work: Path) -> Counter[str]:
    """Train a model with about `STEPS` steps, and count what it writes."""
    epochs = round(STEPS * BATCH_ROWS / rows / (1 + share))
    chosen: dict[str, Any] = {
        "store": store.url, "run": f"{share:.0f}-{seed}", "seed": seed, "epochs": epochs, "batch_rows": BATCH_ROWS,
        "learning_rate": LEARNING_RATE, "rouge_rows": 0, "counterfactual_share": share,
    }  # fmt: skip
    train.run(train_settings.Settings.model_validate(chosen))
    trained = runs.trained_shard(store, chosen["run"], 0)
    folder = trained.fetch_all(work / f"{rows}-{chosen['run']}", layout.MODEL_PREFIX)
    draw = random.Random(99)
    titles = [product(draw)[0] for _ in range(TITLES)]
    checked = [check_facts(title, text) for title, text in zip(titles, _texts(folder, titles), strict=True)]
    return Counter(
        {
            "all right": sum(check.all_right for check in checked),
            "facts": sum(len(check.right) for check in checked),
            "made": trained.manifest.figures.get("counterfactual_rows", 0),
            "steps": trained.manifest.figures["step"],
        }
    )


def _texts(folder: Path, titles: list[str]) -> list[str]:
    model, tokenizer = models.load(folder), models.load_tokenizer(folder)
    model.eval()  # type: ignore[no-untyped-call]
    inputs = tokenizer([prompt(title) for title in titles], return_tensors="pt", padding=True)
    with torch.inference_mode():
        tokens: Any = model.generate(**inputs, max_new_tokens=MAX_TOKENS)  # type: ignore[misc]  # its self excludes T5
    return list(tokenizer.batch_decode(tokens, skip_special_tokens=True))


if __name__ == "__main__":
    main()
