"""Things that tests start from, made straight in the store: catalogues without `prepare`, models without a download."""

import io
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.storage import artifact, catalogue, layout
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import Catalogue, Product
from jobs.storage.store import Store

COLOURS = ("red", "blue", "green", "black", "white", "steel", "walnut", "amber")
THINGS = ("kettle", "lamp", "desk", "chair", "jacket", "router", "notebook", "drill", "vase", "clock")
USES = ("for the office", "for the garden", "for travel", "for small kitchens", "for students", "for the workshop")
TEST_SHARE = 0.1


def product(number: int, split: str) -> Product:
    """The product of this number: the same one each time, with a text of one to six sentences."""
    draw = random.Random(number)  # nothing here is a secret
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
    """Commit a catalogue of made-up products: each shard a tenth test rows (one at least), then the held-out set."""
    test_rows = max(1, round(rows_per_shard * TEST_SHARE))
    with artifact.draft(store, layout.catalogue_path(name), layout.Kind.CATALOGUE, {"made_by": "a test"}, {}) as draft:
        for shard in range(shards):
            first = shard * rows_per_shard
            splits = [catalogue.TEST if row < test_rows else catalogue.TRAIN for row in range(rows_per_shard)]
            products = [product(first + row, split) for row, split in enumerate(splits)]
            draft.add_bytes(layout.shard_file(shard), _parquet(products))
        first = shards * rows_per_shard
        kept = [product(first + row, catalogue.HELD_OUT) for row in range(held_out)]
        draft.add_bytes(layout.HELD_OUT_FILE, _parquet(kept))
        draft.add_bytes(layout.STATISTICS_FILE, b"{}")
        committed = draft.commit({"shards": shards, "shard_rows": rows_per_shard, "held_out": held_out})
    return Catalogue(committed)


def write_products(path: Path, products: list[Product]) -> Path:
    """A Parquet file of products with the catalogue's schema."""
    path.write_bytes(_parquet(products))
    return path


def write_tiny_model(store: Store, name: str = "base", seed: int = 13, catalogue_name: str = "main") -> Artifact:
    """Commit a tiny T5 whose vocabulary is learnt from the catalogue, as `fetch-model --source tiny` does."""
    from jobs.fetch_model import job as fetch_model
    from jobs.fetch_model import settings as fetch_model_settings
    from jobs.storage import runs

    settings = {"store": store.url, "source": "tiny", "model": name, "catalogue": catalogue_name, "seed": seed}
    fetch_model.run(fetch_model_settings.Settings.model_validate(settings))
    return runs.base_model(store, name)


def _parquet(products: list[Product]) -> bytes:
    rows = [vars(item) for item in products]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=catalogue.PRODUCT_SCHEMA), buffer)
    return buffer.getvalue()
