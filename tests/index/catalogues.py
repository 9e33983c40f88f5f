"""Catalogues of made-up products, committed without `prepare`, and one that replaces another."""

from collections.abc import Sequence

from jobs.storage import artifact, layout
from jobs.storage.store import Store
from tests.factories import Product, product, product_file

PRODUCTS = [product(number, "train" if number % 10 else "test") for number in range(60)]
HELD_OUT = [product(number, "held-out") for number in range(60, 70)]


def commit(store: Store, *files: Sequence[Product], name: str = "main") -> None:
    """Commit a catalogue in the place of an earlier one. `files`: the products of each shard, then of the held-out set."""
    path = layout.catalogue_path(name)
    artifact.remove(store, path)
    names = [layout.shard_file(shard) for shard in range(len(files) - 1)] + [layout.HELD_OUT_FILE]
    with artifact.draft(store, path, layout.Kind.CATALOGUE, {"made_by": "a test"}, {}) as draft:
        for file, products in zip(names, files, strict=True):
            draft.add_bytes(file, product_file(products))
        draft.commit({})
