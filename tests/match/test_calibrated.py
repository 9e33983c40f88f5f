"""The job `match` on a catalogue with enough products to calibrate a matcher: its figures are those of held-out products."""

import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from jobs.index import job as index
from jobs.index.settings import Settings as IndexSettings
from jobs.local import services
from jobs.match import job
from jobs.match.learning import MIN_PRODUCTS, MIN_TEST_PRODUCTS
from jobs.match.settings import Settings
from jobs.quality import matcher
from jobs.quality.terms import terms
from jobs.retrieval.encoder import Encoder
from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact
from jobs.storage.catalogue import HELD_OUT, TEST, TRAIN
from jobs.storage.store import Store
from tests.factories import Product
from tests.index import catalogues
from tests.match.products import learning_products

NAME = "learnable"
HELD_OUT_PRODUCTS = 20


def word_vectors(_encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    """Return a vector of each text from its words: an encoder takes 25 ms for each."""
    vectors = np.full((len(texts), 384), 1e-3, dtype=np.float32)
    for row, text in enumerate(texts):
        for term in terms(text):
            vectors[row, zlib.crc32(term.encode()) % 384] += 1
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@pytest.fixture(scope="module")
def store(service_folder: Path) -> Iterator[Store]:
    """The store of an indexed catalogue with just enough products to learn from and to calibrate on."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in services.read_environment(service_folder).items():
            patch.setenv(name, value)
        patch.setattr(Encoder, "encode", word_vectors)
        made = Store(f"s3://skuscribe/{NAME}")
        sizes = {TRAIN: MIN_PRODUCTS, TEST: MIN_TEST_PRODUCTS, HELD_OUT: HELD_OUT_PRODUCTS}
        splits = [split for split, size in sizes.items() for _ in range(size)]
        products = [
            Product(item.uid, item.title, item.text, item.cluster, row + 1, split)
            for row, (item, split) in enumerate(zip(learning_products(len(splits), seed=7), splits, strict=True))
        ]
        catalogues.commit(made, products[:-HELD_OUT_PRODUCTS], products[-HELD_OUT_PRODUCTS:], name=NAME)
        index.run(IndexSettings.model_validate({"store": made.url, "catalogue": NAME}))
        yield made


@pytest.fixture(scope="module")
def made(store: Store) -> Artifact:
    """The matcher of the catalogue."""
    job.run(Settings.model_validate({"store": store.url, "catalogue": NAME, "matcher": "whole"}))
    return artifact.require(store, layout.matcher_path("whole"), layout.Kind.MATCHER, "match")


def test_the_matcher_is_measured_on_held_out_products(made: Artifact, tmp_path: Path) -> None:
    scores = json.loads(made.fetch(layout.SCORES_FILE, tmp_path).read_text())
    assert scores["texts"]["own"] == scores["texts"]["nearest"] == HELD_OUT_PRODUCTS
    assert scores["auc"]["random"] > 0.9
    figures = made.manifest.figures
    assert figures["calibrated"] is True
    assert figures["test_products"] == MIN_TEST_PRODUCTS
    assert figures["auc_nearest"] == scores["auc"]["nearest"]
    assert figures["flagged_random"] == scores["flagged"]["random"]["either"]
    assert figures["publish_from"] == pytest.approx(matcher.load(made.fetch_all(tmp_path)).calibration.publish_from)
    assert figures["seconds"] > 0
