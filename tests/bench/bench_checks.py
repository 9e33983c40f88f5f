"""The checks on texts that are right and wrong for sure: python -m tests.bench.bench_checks [--rows N] [--input FILE]

Held-out products are checked with their sellers' own texts, which should pass, and with texts of the nearest other product, of random
products, and own texts with one fact exchanged, which should not. The matcher learns from the other products, with the defaults of
`match`. The baseline is the checks by numbers and neighbours (`invented` and `contradicts` without a matcher); the ratio compares
the texts held back. `without SOURCE`: the matcher learns without the products of one source, and is measured on these. A source is the
beginning of a uid, such as `icecat-`; without such uids it is the smaller half of the products by k-means of their vectors.

The tables `numbers` and `words` are about numbers, and words before one of the title, that the text of the nearest product has and the
title lacks: how often the seller's own text has them too.
The table `attributes` is the same about attributes (`long sleeves`) of all neighbours, where the own text has one of the same name.
The line `one word` is about own texts that pass: how many are held back with one word of other titles put before a word of their own.

Facts are exchanged for alternatives that the titles of the measured products show, whether the matcher knows them or not.
"""

import argparse
import gzip
import json
import re
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from jobs.match.figures import area_under_curve
from jobs.match.learning import alternatives_of, learn, measured_pairs
from jobs.match.pairs import Pair
from jobs.match.products import LearningProduct
from jobs.match.settings import Settings
from jobs.prepare.near_duplicates import find_clusters, signatures, title_hashes
from jobs.prepare.settings import Settings as PrepareSettings
from jobs.quality.attributes import Attributes, find_attributes, unlike_neighbours, untitled
from jobs.quality.checks import CONTRADICTS, INVENTED, OFF_TITLE, UNSUPPORTED, WORDING, Checker
from jobs.quality.grounding import ungrounded
from jobs.quality.matcher import Matcher
from jobs.quality.pair_kind import PairKind
from jobs.quality.settings import EVIDENCE_NEIGHBOURS
from jobs.quality.support import known_words, unsupported_words
from jobs.quality.terms import term_set, terms
from jobs.retrieval.encoder import Encoder, text_to_embed
from jobs.retrieval.neighbours import Neighbour
from jobs.sample.rows import write_sample
from jobs.text import cleaning

MIN_ROWS = 1500
"""Fewer rows are too few to calibrate a matcher."""

MAX_ROWS = 6000
"""More rows take longer than 3 minutes on one core, most of it to embed them."""

MAX_MEASURED, MAX_SOURCES = 300, 2
EMBEDDED_WORDS = 8
"""The vectors are of the title and the beginning of the text, which takes a third of the time."""

SOURCE_SHARE = (0.05, 0.6)
"""A source that is left out has at least and at most this share of the rows."""

MIN_TITLES_OF_WORD, MIN_LETTERS_OF_WORD = 8, 4
"""A word that is put into a text is in at least this number of titles, and has at least this number of letters."""

OF_FACTS = (OFF_TITLE, CONTRADICTS, INVENTED, UNSUPPORTED, WORDING)
_SOURCE = re.compile(r"([a-z]\w{1,6})-")

Unsupported = Callable[[str, str, Sequence[str], int], Sequence[str]]
"""`unsupported(title, text, others, enough)`: what the text states that neither the title nor `enough` of the others have."""


@dataclass(frozen=True)
class Products:
    """Products with their vectors, and the cluster of near duplicates of each."""

    uids: Sequence[str]
    titles: Sequence[str]
    texts: Sequence[str]
    vectors: np.ndarray
    clusters: np.ndarray


def main() -> None:
    """Learn, measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000, help=f"products, {MIN_ROWS:,} to {MAX_ROWS:,}")
    parser.add_argument("--input", default="", help="gzipped JSON Lines; default: the generated sample")
    arguments = parser.parse_args()
    products = _products(arguments.input, min(max(arguments.rows, MIN_ROWS), MAX_ROWS))
    rows = np.random.default_rng(13).permutation(len(products.uids))
    held_out, testing, training = np.split(rows, [len(rows) // 10, len(rows) // 5])
    statistics = _measure("all sources", products, training, testing, held_out, training).statistics
    unseen = _with_neighbours(products, held_out[:MAX_MEASURED], training)
    _print_support("numbers", unseen, lambda title, text, others, enough: ungrounded(text, [title], others, enough))
    _print_support("words", unseen, partial(unsupported_words, statistics=statistics))
    _print_attributes(unseen, find_attributes(products.texts[row] for row in training))
    for name, inside in _sources(products).items():
        measured = rows[inside[rows]]
        _measure(f"without {name}", products, training[~inside[training]], testing[~inside[testing]], measured, rows)


def _measure(
    name: str, products: Products, training: np.ndarray, testing: np.ndarray, measured: np.ndarray, near: np.ndarray
) -> Matcher:
    """Print a table, and return what was learnt. `near`: the rows that the nearest products of the measured ones are among."""
    learning, calibrating = (_with_neighbours(products, rows, training) for rows in (training, testing))
    unseen = _with_neighbours(products, measured[:MAX_MEASURED], near)
    settings = Settings()
    started = time.monotonic()
    matcher = learn(learning, calibrating, settings.hold_back, settings.seed)
    learnt = time.monotonic() - started
    if not matcher.is_calibrated:
        print(f"\n{name}: {len(training):,} and {len(testing):,} products are too few to calibrate a matcher")
        return matcher
    pairs = measured_pairs(unseen, unseen, alternatives_of(unseen), settings.seed)
    neighbours = {product.title: _neighbours(product) for product in unseen}
    started = time.monotonic()
    probabilities = np.array(
        [matcher.match(pair.title, pair.text, pair.neighbour_titles).probability for pair in pairs]
    )
    per_text = 1000 * (time.monotonic() - started) / len(pairs)
    checker = Checker(matcher, matcher.calibration.publish_from)
    flags = _flags(checker, pairs, neighbours)
    before = _has(_flags(Checker(), pairs, neighbours), CONTRADICTS, INVENTED)
    reasons = [
        _has(flags, OFF_TITLE),
        _has(flags, CONTRADICTS),
        _has(flags, OFF_TITLE, CONTRADICTS),
        _has(flags, INVENTED),
        _has(flags, UNSUPPORTED),
        _has(flags, WORDING),
    ]
    held_back = _has(flags, *OF_FACTS)
    print(f"\n{name}: learnt from {len(training):,} products in {learnt:.1f} s, {per_text:.2f} ms per text")
    _print_added_words(checker, learning, unseen, settings.seed)
    print(
        f"{'text':<10}{'texts':>7}{'off-title':>11}{'contradicts':>13}{'either':>9}{'invented':>10}{'unsupported':>13}{'wording':>9}{'any':>8}{'before':>8}"
        f"{'ratio':>7}{'AUC':>8}"
    )
    kinds = np.array([pair.kind for pair in pairs])
    for kind in (kind for kind in PairKind if kind in kinds):
        chosen = kinds == kind
        shares = [reason[chosen].mean() for reason in (*reasons, held_back, before)]
        cells = "".join(
            f"{share:>{width}.1%}" for share, width in zip(shares, (11, 13, 9, 10, 13, 9, 8, 8), strict=True)
        )
        area = area_under_curve(probabilities[kinds == PairKind.OWN], probabilities[chosen])
        ratio = f"{shares[-2] / shares[-1]:>7.2f}" if shares[-1] else f"{'':>7}"
        print(f"{kind:<10}{chosen.sum():>7}{cells}{ratio}" + (f"{area:>8.3f}" if kind != PairKind.OWN else ""))
    return matcher


def _print_added_words(
    checker: Checker, learnt: Sequence[LearningProduct], products: Sequence[LearningProduct], seed: int
) -> None:
    """Print how many own texts that pass are held back with one word more, which neither their title nor a neighbour has."""
    counts = Counter(word for product in learnt for word in term_set(terms(product.title)) if _may_be_a_fact(word))
    in_titles = sorted(word for word, count in counts.items() if count >= MIN_TITLES_OF_WORD)
    generator, passing, held_back = np.random.default_rng(seed), 0, 0
    for product in products:
        items = _neighbours(product)
        known = known_words([product.title, product.text, *(f"{item.title}. {item.content}" for item in items)])
        others = [word for word in in_titles if word not in known]
        places = [word for word in terms(product.title) if re.search(rf"(?i)\b{re.escape(word)}\b", product.text)]
        if not (others and places) or checker.score(product.title, product.text, items, ended=True).flags:
            continue
        place, word = places[-1], others[generator.integers(len(others))]
        text = re.sub(rf"(?i)\b{re.escape(place)}\b", rf"{word} \g<0>", product.text, count=1)
        passing += 1
        held_back += bool(checker.score(product.title, text, items, ended=True).flags)
    print(
        f"one word: {held_back} of {passing} own texts that pass are held back with a word of other titles put into them"
    )


def _may_be_a_fact(word: str) -> bool:
    return word.isalpha() and len(word) >= MIN_LETTERS_OF_WORD


def _print_support(name: str, products: Sequence[LearningProduct], unsupported: Unsupported) -> None:
    """Print how often a number or word is right that the nearest product's text has and the title lacks.

    It is right if the seller's own text has it. `support`: how many of the other neighbours have it; `held back`: own texts that
    `--number-support` of this value flags for it.
    """
    counts = np.zeros((EVIDENCE_NEIGHBOURS + 1, 2), dtype=int)
    held_back = np.zeros(EVIDENCE_NEIGHBOURS + 1, dtype=int)
    for product in products:
        title, text = product.title, product.other_texts[0]
        neighbours = [f"{item.title}. {item.content}" for item in _neighbours(product)]
        wrong = set(unsupported(title, text, [product.text], 1))
        lacking = [set(unsupported(title, text, neighbours[1:], enough)) for enough in range(1, EVIDENCE_NEIGHBOURS)]
        for stated in set(unsupported(title, text, [], 1)):
            counts[sum(stated not in found for found in lacking)] += (1, stated not in wrong)
        for support in range(1, EVIDENCE_NEIGHBOURS + 1):
            held_back[support] += bool(unsupported(title, product.text, neighbours, support))
    print(f"\n{'support':<10}{name:>9}{'right':>8}{'held back':>11}")
    for support, (stated, right) in enumerate(counts):
        share = f"{right / stated:>8.1%}" if stated else f"{'':>8}"
        print(f"{support:<10}{stated:>9}{share}{held_back[support] / len(products):>11.1%}")


def _print_attributes(products: Sequence[LearningProduct], attributes: Attributes) -> None:
    """Print how often an attribute is right that a neighbour's text has and the title lacks, where the seller's own text has the attribute.

    It is right if the own text has the same value. `contradicted`: more of the neighbours have another value.
    """
    counts = np.zeros((2, 2), dtype=int)
    for product in products:
        own = {item.name: item for item in untitled(product.title, product.text, attributes)}
        found = {item for text in product.other_texts for item in untitled(product.title, text, attributes)}
        for item in found:
            if item.name in own:
                is_contradicted = unlike_neighbours(product.title, item.as_text(), product.other_texts, attributes)
                counts[int(is_contradicted is not None)] += (1, item == own[item.name])
    print(f"\n{'attributes':<14}{'stated':>8}{'right':>8}")
    for name, (stated, right) in zip(("others", "contradicted"), counts, strict=True):
        print(f"{name:<14}{stated:>8}{right / max(1, stated):>8.1%}")


def _flags(
    checker: Checker, pairs: Sequence[Pair], neighbours: Mapping[str, Sequence[Neighbour]]
) -> list[tuple[str, ...]]:
    compared = ([item for item in neighbours[pair.title] if item.title in pair.neighbour_titles] for pair in pairs)
    return [
        checker.score(pair.title, pair.text, items, ended=True).flags
        for pair, items in zip(pairs, compared, strict=True)
    ]


def _has(flags: Sequence[tuple[str, ...]], *reasons: str) -> np.ndarray:
    return np.array([not set(reasons).isdisjoint(found) for found in flags])


def _neighbours(product: LearningProduct) -> list[Neighbour]:
    return [
        Neighbour("", title, text, 0.0) for title, text in zip(product.other_titles, product.other_texts, strict=True)
    ]


def _with_neighbours(products: Products, rows: np.ndarray, near: np.ndarray) -> list[LearningProduct]:
    """Return products with the nearest ones of other clusters among `near`."""
    found = []
    for row in rows:
        similarities = products.vectors[near] @ products.vectors[row]
        similarities[products.clusters[near] == products.clusters[row]] = -np.inf
        others = near[np.argsort(-similarities, kind="stable")[:EVIDENCE_NEIGHBOURS]]
        titles, texts = (tuple(values[other] for other in others) for values in (products.titles, products.texts))
        cluster = int(products.clusters[row])
        found.append(
            LearningProduct(products.uids[row], products.titles[row], products.texts[row], cluster, titles, texts)
        )
    return found


def _sources(products: Products) -> dict[str, np.ndarray]:
    """Return which rows are of each source to leave out, largest first."""
    found = [match[1] if (match := _SOURCE.match(uid)) else "" for uid in products.uids]
    least, most = (share * len(found) for share in SOURCE_SHARE)
    names = [name for name, count in Counter(found).most_common() if name and least <= count <= most][:MAX_SOURCES]
    if names:
        return {f"{name}-": np.array([source == name for source in found]) for name in names}
    return {"the smaller half": _smaller_half(products.vectors)}


def _smaller_half(vectors: np.ndarray) -> np.ndarray:
    """Return which rows are in the smaller of two clusters, by a few steps of k-means from two distant ones."""
    centres = vectors[[0, int(np.argmin(vectors @ vectors[0]))]]
    for _ in range(10):
        members = np.argmax(vectors @ centres.T, axis=1)
        centres = np.stack([vectors[members == number].mean(axis=0) for number in (0, 1)])
    return np.asarray(members == np.argmin(np.bincount(members, minlength=2)))


def _products(source: str, count: int) -> Products:
    """Return the first products of gzipped JSON Lines, or of the generated sample, that have a title and a text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(source or Path(folder) / "rows.jsonl.gz")
        if not source:
            write_sample(path, 2 * count, seed=13)
        uids, titles, texts = _read(path, count)
        file = Path(folder) / "signatures"
        file.write_bytes(signatures([f"{title} {text}" for title, text in zip(titles, texts, strict=True)]).tobytes())
        hashes = np.array([zlib.crc32(text.lower().encode()) for text in texts], dtype=np.uint64)
        similarity = PrepareSettings.model_fields["similarity"].default
        clusters = find_clusters(file, hashes, title_hashes(titles), np.ones(len(texts), dtype=bool), similarity)
    started = time.monotonic()
    beginnings = [" ".join(text.split()[:EMBEDDED_WORDS]) for text in texts]
    vectors = Encoder().encode([text_to_embed(title, text) for title, text in zip(titles, beginnings, strict=True)])
    print(f"{len(uids):,} products, embedded in {time.monotonic() - started:.0f} s", flush=True)
    return Products(uids, titles, texts, vectors, clusters)


def _read(path: Path, count: int) -> tuple[list[str], list[str], list[str]]:
    """Return uids, titles and contents, cleaned, without duplicates."""
    found: dict[tuple[str, str], str] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            title, content = (cleaning.clean(row[name] or "", "catalogue") for name in ("title", "content"))
            if title and content:
                found.setdefault((title, content), row["uid"])
            if len(found) == count:
                break
    return list(found.values()), [title for title, _ in found], [content for _, content in found]


if __name__ == "__main__":
    main()
