"""Artifacts for tests, written to the store without a job: catalogues of invented products, and tiny models."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from jobs.process import folders
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact, Draft, Spec
from jobs.storage.catalogue import Catalogue
from jobs.storage.layout import Kind
from jobs.storage.parquet import parquet_bytes
from jobs.storage.store import Store

COLOURS = ("red", "blue", "green", "black", "white", "steel", "walnut", "amber")
THINGS = ("kettle", "lamp", "desk", "chair", "jacket", "router", "notebook", "drill", "vase", "clock")
USES = ("for the office", "for the garden", "for travel", "for small kitchens", "for students", "for the workshop")
TEST_SHARE = 0.1


@dataclass(frozen=True)
class Product:
    """One row of a catalogue. `row` is its number in the input, from 1."""

    uid: str
    title: str
    content: str
    cluster: int
    row: int
    split: str


def product(number: int, split: str) -> Product:
    """Return the product of this number, always the same one, with a content of one to six sentences."""
    draw = random.Random(number)
    colour, thing, use = draw.choice(COLOURS), draw.choice(THINGS), draw.choice(USES)
    size = draw.randint(5, 90)
    sentences = [f"A {colour} {thing} of {size} cm, made {use}."]
    for _ in range(draw.randint(0, 5)):
        sentences.append(f"It goes well with a {draw.choice(COLOURS)} {draw.choice(THINGS)} {draw.choice(USES)}.")
    title = f"{colour.title()} {thing.title()} {size} cm, model {number}"
    return Product(f"P{number:06d}", title, " ".join(sentences), cluster=number, row=number + 1, split=split)


def write_catalogue(
    store: Store, name: str = "main", shards: int = 1, rows_per_shard: int = 40, held_out: int = 10
) -> Catalogue:
    """Commit a catalogue of invented products. A tenth of each shard, at least one row, is test rows."""
    test_rows = max(1, round(rows_per_shard * TEST_SHARE))

    def add_files(draft: Draft) -> Mapping[str, int]:
        for shard in range(shards):
            first = shard * rows_per_shard
            splits = [catalogue.TEST if row < test_rows else catalogue.TRAIN for row in range(rows_per_shard)]
            products = [product(first + row, split) for row, split in enumerate(splits)]
            draft.add_bytes(layout.shard_file(shard), product_file(products))
        first = shards * rows_per_shard
        held_out_products = [product(first + row, catalogue.HELD_OUT) for row in range(held_out)]
        draft.add_bytes(layout.HELD_OUT_FILE, product_file(held_out_products))
        draft.add_bytes(layout.STATISTICS_FILE, b"{}")
        return {"shards": shards, "shard_rows": rows_per_shard, "held_out": held_out}

    spec = Spec(store, layout.catalogue_path(name), Kind.CATALOGUE, {"made_by": "a test"}, {})
    return Catalogue(artifact.make_once(spec, add_files))


def write_tiny_model(store: Store, name: str = "base", seed: int = 13, catalogue_name: str = "main") -> Artifact:
    """Commit a tiny T5 and a tokenizer that is trained on the catalogue, with `fetch-model --source tiny`."""
    _fetch_model(store, source="tiny", model=name, catalogue=catalogue_name, seed=seed)
    return runs.base_model(store, name)


def write_tiny_model_with_dropout(store: Store, name: str = "base") -> Artifact:
    """Commit a tiny T5 with FLAN-T5's dropout, which makes its training depend on the random states."""
    with folders.temporary_folder() as work:
        folder = write_tiny_model(store, f"{name}-without-dropout").fetch_all(work)
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"dropout_rate": 0.1}))
        _fetch_model(store, source=str(folder), model=name)
    return runs.base_model(store, name)


def _fetch_model(store: Store, **chosen: Any) -> None:
    from jobs.fetch_model import job, settings  # loads torch, which most users of this module don't need

    job.run(settings.Settings.model_validate({"store": store.url, **chosen}))


def product_file(products: Sequence[Product]) -> bytes:
    """Return the Parquet file of products, with the catalogue's schema."""
    rows = [vars(product) for product in products]
    return parquet_bytes(pa.Table.from_pylist(rows, schema=catalogue.PRODUCT_SCHEMA))
