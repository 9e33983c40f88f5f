"""Artifacts with made-up figures, in the format of the jobs: a catalogue, a run of a few shards, its stages, a batch."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from jobs import steps
from jobs.describe import exports
from jobs.quality import metrics
from jobs.quality.intervals import wilson
from jobs.report.settings import SEED
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.layout import Kind, QuestionGroup
from jobs.storage.parquet import parquet_bytes
from jobs.storage.store import Store

TITLES = (
    "Brother TN-420 Black Toner Cartridge, 1,200 pages",
    "Levi's Men's 511 Slim Fit Jeans, Dark Stonewash, 32W x 30L",
    "The Old Man and the Sea (Paperback)",
    'Rubbermaid Commercial 1/2" Mop Handle, 60-inch, Blue',
    "SanDisk Ultra 64GB microSDXC Card with Adapter",
    "Moleskine Classic Notebook, Large, Ruled, 240 pages",
    "3M Scotch Heavy Duty Packing Tape, 1.88 in x 54.6 yd, 6 Rolls",
    "Philips Sonicare ProResults Brush Heads, 3-Pack",
    "Puma Unisex Running Shoes, White and Red, UK 8",
    "Canon PIXMA Ink Multi-Pack, 4 Colours",
)
PHRASES = (
    "built for everyday use at home or in the office",
    "prints sharp, clear pages from first to last",
    "made of a soft and durable cotton blend",
    "easy to clean and simple to store",
    "fits most standard models",
    "comes with a one year limited warranty",
    "a classic design that goes with everything",
    "tested by the maker for long life",
    "in a resealable pack",
)
HOSTILE = '<script>alert("x")</script> #panic("x") ] $ \\ {{ 7*7 }} `code` */ // 日本語 😀 & "quoted"'


@dataclass(frozen=True)
class RunShape:
    """The size of the run and the course of its figures.

    `gain` is the rise of ROUGE-L per shard, `forgetting` its fall on the first shard's products per later shard.
    """

    shards: int = 3
    trained: int = 3
    questions: int = 60
    gain: float = 0.02
    forgetting: float = 0.0
    titles: Sequence[str] = TITLES
    answer: str | None = None
    retrieval: bool = True
    parameters: int = 76_961_152
    gpu: str | None = "NVIDIA L4"
    shards_at_once: int = 1


def make(store: Store, shape: RunShape = RunShape()) -> None:
    """Commit all artifacts of the run, the catalogue and the batch `main`."""
    products, base_model = make_catalogue(store, shape), make_model(store, shape)
    runs.freeze(
        store,
        "main",
        {
            "model": "base",
            "catalogue": "main",
            "recipe": "fast",
            "epochs": 3,
            "learning_rate": 1e-4,
            "seed": 13,
            "rouge_rows": 200,
            "catalogue_digest": products.digest,
            "base_model_digest": base_model.digest,
            **({"shards_at_once": shape.shards_at_once} if shape.shards_at_once > 1 else {}),
        },
    )
    for shard in range(shape.trained):
        make_shard(store, shape, shard)
    rounds = steps.rounds(shape.trained, shape.shards_at_once)
    merged = {shards[-1]: make_merged_model(store, shards) for shards in rounds} if shape.shards_at_once > 1 else {}
    make_stage(store, shape, None, retrieval=False)
    for shards in rounds:
        make_stage(store, shape, shards[-1], retrieval=False, model=merged.get(shards[-1], ""))
    if shape.retrieval:
        make_stage(store, shape, None, retrieval=True)
        make_stage(store, shape, shape.trained - 1, retrieval=True)
    make_batch(store)


def make_catalogue(store: Store, shape: RunShape) -> Artifact:
    """Commit the catalogue `main`."""
    lengths = {
        "mean": 84.6,
        "min": 1,
        "p1": 2,
        "p5": 6,
        "p25": 21,
        "p50": 44,
        "p75": 103,
        "p95": 300,
        "p99": 702,
        "max": 4201,
    }
    statistics = {
        "rows": {"read": 6000, "kept": 5940, "rejected": 60},
        "rejected": {"no-content": 41, "no-title": 12, "not-json": 7},
        "words": {"title": {"mean": 11.2, "min": 1, "p50": 10, "p95": 24, "p99": 31, "max": 58}, "content": lengths},
        "tokens": None,
        "boilerplate": {
            "sentences": 1204,
            "most_frequent": [
                {"sentence": "30 Day Replacement Guarantee.", "clusters": 411},
                {"sentence": "TITLE at best prices with <b>free</b> shipping.", "clusters": 184},
            ],
        },
    }
    products = parquet_bytes(catalogue.PRODUCT_SCHEMA.empty_table())
    with artifact.draft(store, layout.catalogue_path("main"), Kind.CATALOGUE, {"profile": "catalogue"}, {}) as draft:
        for shard in range(shape.shards):
            draft.add_bytes(layout.shard_file(shard), products)
        draft.add_bytes(layout.HELD_OUT_FILE, products)
        draft.add_bytes(layout.REJECTS_FILE, parquet_bytes(catalogue.REJECT_SCHEMA.empty_table()))
        draft.add_bytes(layout.STATISTICS_FILE, json.dumps(statistics).encode())
        return draft.commit(
            {
                "read": 6000, "kept": 5940, "rejected": 60, "shards": shape.shards, "shard_rows": 2000, "held_out": 500,
                "clusters": 5712, "duplicates_exact": 131, "duplicates_near": 97, "seconds": 1.9, "rows_per_second": 3158.0,
            }
        )  # fmt: skip


def make_model(store: Store, shape: RunShape) -> Artifact:
    """Commit the base model `base`."""
    with artifact.draft(store, layout.model_path("base"), Kind.MODEL, {"source": "google/flan-t5-small"}, {}) as draft:
        draft.add_bytes("config.json", b"{}")
        return draft.commit({"parameters": shape.parameters, "vocabulary": 32128, "source": "google/flan-t5-small"})


def make_shard(store: Store, shape: RunShape, shard: int) -> None:
    numbers = random.Random(shard)
    records = []
    for epoch in range(3):
        step = shard + (epoch + 1) / 3
        records.append(
            {
                "shard": shard, "epoch": epoch + 1, "step": 240 * (epoch + 1),
                "training_loss": 3.9 - 0.25 * step**0.5 + numbers.gauss(0, 0.01),
                "validation_loss": 3.6 - 0.22 * step**0.5 + numbers.gauss(0, 0.01),
                "rouge1": 0.085 + 0.012 * step**0.5, "rouge2": 0.016 + 0.004 * step**0.5,
                "rougeL": 0.070 + 0.010 * step**0.5 + numbers.gauss(0, 0.001), "rougeLsum": 0.078 + 0.010 * step**0.5,
                "examples_per_second": 212.4 + numbers.gauss(0, 4), "target_tokens_per_second": 18_100 + numbers.gauss(0, 300),
                "padding_efficiency": 0.94, "model_flops_utilisation": 0.31 if shape.gpu else None, "seconds": 9.1,
            }
        )  # fmt: skip
    lines = "".join(json.dumps(record) + "\n" for record in records)
    with artifact.draft(
        store, layout.trained_shard_path("main", shard), Kind.TRAINED_SHARD, {}, {"shard": str(shard)}
    ) as draft:
        draft.add_bytes(layout.METRICS_FILE, lines.encode())
        draft.commit(
            records[-1] | {"train_rows": 1900, "test_rows": 100, "epochs": 3, "gpu": shape.gpu, "seconds": 31.7 + shard}
        )


def make_merged_model(store: Store, shards: range) -> str:
    """Commit the model that those of the shards are merged into. Returns its digest."""
    path = layout.merged_model_path("main", shards[-1])
    with artifact.draft(store, path, Kind.MERGED_MODEL, {"shards": list(shards)}, {}) as draft:
        return draft.commit(
            {"merged_shards": len(shards), "train_rows": 1900 * len(shards), "outer_gradient_norm": 4.25}
        ).digest


def make_stage(store: Store, shape: RunShape, shard: int | None, retrieval: bool, model: str = "") -> None:
    """Commit the evaluation of a stage. `model`: the digest of the evaluated model, empty if it is not recorded."""
    name = layout.stage_name(shard, retrieval)
    answers = [row for group in QuestionGroup for row in _answers(shape, group, shard, retrieval)]
    scores = {
        "stage": name, "model_digest": "0" * 64, "shard": shard, "retrieval": retrieval,
        "groups": {group: _scores([row for row in answers if row["group"] == group]) for group in QuestionGroup},
        "baselines": {
            name: {"rouge1": _interval(rouge * 1.2), "rouge2": _interval(rouge * 0.4), "rougeL": _interval(rouge),
                   "rougeLsum": _interval(rouge * 1.05), "repetition": _interval(0.01)}
            for name, rouge in (("title-repeated", 0.121), ("nearest-neighbour", 0.138))[: 1 + retrieval]
        },
        "seconds": 21.5, "answers_per_second": len(answers) / 21.5,
    }  # fmt: skip
    path = layout.evaluation_path("main", name)
    inputs = {"stage": name} | ({"model": model} if model else {})
    with artifact.draft(store, path, Kind.EVALUATION, {}, inputs) as draft:
        draft.add_bytes(layout.ANSWERS_FILE, parquet_bytes(pa.Table.from_pylist(answers, schema=answer_schema())))
        draft.add_bytes(layout.SCORES_FILE, json.dumps(scores).encode())
        draft.commit({"questions": len(answers)})


def make_batch(store: Store, published: int = 1874) -> None:
    rows = [
        exports.Description(
            uid=f"u{number}", title="title", description="A description.", published=True, repetition=0.01 * number,
            grounding=0.9 + 0.01 * number, copying=0.3, model_digest="0" * 64,
        )
        for number in range(10)
    ]  # fmt: skip
    with artifact.draft(store, layout.export_path("main"), Kind.EXPORT, {}, {"published": str(published)}) as draft:
        for name, data in exports.files(rows, 0).items():
            draft.add_bytes(name, data)
        draft.commit(
            {
                "products": 2000, "published": published, "flagged": 1997 - published, "failed": 3, "seconds": 88.0,
                "products_per_second": 22.7, "model": "shard-00002", "retries": 204, "parts": 1,
                "reasons": {"invented": 81, "repetition": 37, "short": 12},
            }
        )  # fmt: skip


def make_audit(store: Store) -> None:
    """Commit the labels of the batch `main`."""
    inputs = {"export": export.digest} if (export := artifact.find(store, layout.export_path("main"))) else {}
    with artifact.draft(store, layout.audit_path("main"), Kind.AUDIT, {}, inputs) as draft:
        draft.add_bytes(layout.LABELS_FILE, b"")
        draft.commit(
            {
                "labelled": 200,
                "verdicts": [
                    {"name": "published", "labelled": 120, "count": 117, "share": _share(0.975, 0.929, 0.991)}
                ],
                "reasons": [{"name": "contradicts", "labelled": 80, "count": 60, "share": _share(0.75, 0.645, 0.832)}],
            }
        )


def _share(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def answer_schema() -> pa.Schema:
    names = [pa.field("group", pa.string()), pa.field("uid", pa.string()), pa.field("cluster", pa.int64())]
    texts = [pa.field(name, pa.string()) for name in ("title", "reference", "answer")]
    numbers = [
        pa.field(name, pa.float64())
        for name in ("rouge1", "rouge2", "rougeL", "rougeLsum", "loss", "repetition", "probability")
    ]
    words = pa.list_(pa.string())
    return pa.schema(
        [
            *names,
            *texts,
            pa.field("neighbours", words),
            *numbers,
            pa.field("flags", words),
            pa.field("tokens", pa.int64()),
        ]
    )


def _answers(shape: RunShape, group: str, shard: int | None, retrieval: bool) -> list[dict[str, Any]]:
    steps = 0 if shard is None else shard + 1
    numbers = random.Random(f"{group} {shard} {retrieval}")
    forgotten = shape.forgetting * (steps - 1) if group == QuestionGroup.FIRST_SHARD and steps else 0.0
    return [_answer(shape, group, number, steps, retrieval, forgotten, numbers) for number in range(shape.questions)]


def _answer(
    shape: RunShape, group: str, number: int, steps: int, retrieval: bool, forgotten: float, numbers: random.Random
) -> dict[str, Any]:
    difficulty = random.Random(f"{group} {number}").gauss(0, 0.04)
    quality = max(0.0, 0.09 + shape.gain * steps + 0.03 * retrieval - forgotten + difficulty + numbers.gauss(0, 0.015))
    title = shape.titles[number % len(shape.titles)]
    repeated = numbers.random() < 0.45 / (1 + steps)
    phrases = random.Random(f"{number} {steps} {retrieval}").sample(PHRASES, 3)
    text = f"{title.split(',')[0]} " + (" ".join([phrases[0]] * 4) if repeated else ", ".join(phrases)) + "."
    return {
        "group": group, "uid": f"{group}-{number:04d}", "cluster": number, "title": title,
        "reference": f"{title}. " + ". ".join(phrase.capitalize() for phrase in PHRASES[: 3 + number % 5]) + ".",
        "answer": shape.answer if shape.answer is not None else text, "neighbours": ["u1", "u2"] if retrieval else [],
        "rouge1": quality * 1.2, "rouge2": quality * 0.3, "rougeL": quality, "rougeLsum": quality * 1.05,
        "loss": 3.6 - 8 * (quality - 0.09), "repetition": 0.6 if repeated else 0.02,
        "probability": 0.9 * quality,
        "flags": ["repetition"] if repeated else [], "tokens": len(text.split()),
    }  # fmt: skip


def _scores(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("loss", "rouge1", "rouge2", "rougeL", "rougeLsum", "repetition")
    scores: dict[str, Any] = {
        name: vars(metrics.bootstrap([row[name] for row in rows], SEED, resamples=200)) for name in names
    }
    flagged = wilson(sum(bool(row["flags"]) for row in rows), len(rows))
    return scores | {"questions": len(rows), "flagged": vars(flagged)}


def _interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01}
