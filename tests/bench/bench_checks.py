"""The checks on texts that are right and wrong for sure: python -m tests.bench.bench_checks [--rows N] [--input FILE]

Held-out products are checked with their sellers' own texts, which should pass, and with texts of the nearest other product, of random
products, and own texts with one fact exchanged, which should not. The baseline is the check by words only (`--words-only`). The
matcher learns from the other products. `other source`: it learns without the products of one source, and is measured on these; a
source is a group of products that a text of one kind describes, here the smaller half of the catalogue by k-means of the vectors.
"""

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jobs.match.figures import area_under_curve
from jobs.match.learning import learn, test_pairs
from jobs.match.pairs import Pair, PairKind
from jobs.match.products import NEIGHBOURS, LearningProduct
from jobs.match.settings import Settings
from jobs.quality.checks import CONTRADICTS, OFF_TITLE, Checker
from jobs.retrieval.encoder import Encoder, text_to_embed
from jobs.sample.rows import write_sample
from jobs.text import cleaning

MIN_ROWS = 1500
"""Fewer rows are too few to calibrate a matcher."""


def main() -> None:
    """Learn, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--input", default="")
    arguments = parser.parse_args()
    rows = max(arguments.rows, MIN_ROWS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(arguments.input or Path(folder) / "rows.jsonl.gz")
        if not arguments.input:
            write_sample(path, rows, seed=13)
        pairs = _read(path, rows)
    started = time.monotonic()
    vectors = Encoder().encode([text_to_embed(title, text) for title, text in pairs])
    print(f"{len(pairs):,} products, embedded in {time.monotonic() - started:.0f} s")
    order = np.random.default_rng(13).permutation(len(pairs))
    held_out, testing, training = np.split(order, [len(order) // 10, len(order) // 5])
    _measure("same sources", pairs, vectors, training, testing, held_out)
    near = _one_source(vectors)
    inside = np.isin(order, np.flatnonzero(near))
    _measure(
        "other source",
        pairs,
        vectors,
        np.setdiff1d(training, order[inside]),
        np.setdiff1d(testing, order[inside]),
        order[inside],
    )


def _measure(
    name: str,
    pairs: Sequence[tuple[str, str]],
    vectors: np.ndarray,
    training: np.ndarray,
    testing: np.ndarray,
    measured: np.ndarray,
) -> None:
    sets = [_products(pairs, vectors, chosen, training) for chosen in (training, testing, measured)]
    settings = Settings()
    started = time.monotonic()
    matcher = learn(sets[0], sets[1], settings.hold_back, settings.seed)
    learnt = time.monotonic() - started
    texts = test_pairs(sets[2], sets[0], matcher.alternatives, settings.seed)
    started = time.monotonic()
    found = [matcher.match(pair.title, pair.text).probability for pair in texts]
    per_text = 1000 * (time.monotonic() - started) / len(texts)
    checked = _flagged(Checker(matcher, matcher.calibration.publish_from), texts)
    words_only = _flagged(Checker(), texts)
    kinds, probabilities = np.array([pair.kind for pair in texts]), np.array(found)
    print(f"\n{name}: learnt from {len(training):,} products in {learnt:.0f} s, {per_text:.1f} ms per text")
    print(f"{'text':<12}{'texts':>7}{'held back':>11}{'words only':>12}{'AUC':>8}")
    for kind in PairKind:
        chosen = kinds == kind
        if chosen.any():
            auc = area_under_curve(probabilities[kinds == PairKind.OWN], probabilities[chosen])
            print(
                f"{kind:<12}{chosen.sum():>7}{checked[chosen].mean():>11.1%}{words_only[chosen].mean():>12.1%}{auc:>8.3f}"
            )


def _flagged(checker: Checker, texts: Sequence[Pair]) -> np.ndarray:
    scores = [checker.score(pair.text, pair.title, (), ended=True) for pair in texts]
    return np.array([bool({OFF_TITLE, CONTRADICTS} & set(score.flags)) for score in scores])


def _products(
    pairs: Sequence[tuple[str, str]], vectors: np.ndarray, chosen: np.ndarray, training: np.ndarray
) -> list[LearningProduct]:
    similarities = vectors[chosen] @ vectors[training].T
    products = []
    for row, scores in zip(chosen, similarities, strict=True):
        nearest = [training[other] for other in np.argsort(-scores)[: 3 * NEIGHBOURS]]
        others = [other for other in nearest if pairs[other] != pairs[row]][:NEIGHBOURS]
        products.append(
            LearningProduct(
                str(row), pairs[row][0], pairs[row][1], int(row),
                tuple(pairs[other][0] for other in others), tuple(pairs[other][1] for other in others),
            )
        )  # fmt: skip
    return products


def _one_source(vectors: np.ndarray) -> np.ndarray:
    """Return which products are in the smaller of two clusters, by a few steps of k-means from the two most distant of a few."""
    centres = vectors[[0, int(np.argmin(vectors @ vectors[0]))]]
    for _ in range(10):
        members = np.argmax(vectors @ centres.T, axis=1)
        centres = np.stack([vectors[members == number].mean(axis=0) for number in (0, 1)])
    return np.asarray(members == np.argmin(np.bincount(members, minlength=2)))


def _read(path: Path, rows: int) -> list[tuple[str, str]]:
    """Return title and content of the first rows of gzipped JSON Lines that have both, cleaned, without duplicates."""
    found: dict[tuple[str, str], None] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            title, content = (cleaning.clean(row[name] or "", "catalogue") for name in ("title", "content"))
            if title and content:
                found[title, content] = None
            if len(found) == rows:
                break
    return list(found)


if __name__ == "__main__":
    main()
