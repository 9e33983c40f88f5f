"""Learn from a catalogue whether a text fits a title.

Reads the index of the catalogue in Postgres. Writes matchers/NAME and the table skuscribe.alternative.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.database.connection import Connection, statement
from jobs.database.migrations import migrate
from jobs.database.repeat import repeated
from jobs.match import products
from jobs.match.figures import figures
from jobs.match.settings import Settings
from jobs.process import folders, log
from jobs.process.errors import InputError
from jobs.quality import matcher
from jobs.quality.matcher import Matcher
from jobs.retrieval.search_index import SearchIndex, find_index
from jobs.storage import artifact, catalogue, layout
from jobs.storage.artifact import Artifact, Draft, Spec
from jobs.storage.catalogue import HELD_OUT, TEST, TRAIN
from jobs.storage.layout import Kind
from jobs.storage.store import Store

TEST_PRODUCTS = 2000
"""Maximum number of test products to calibrate on, and of held-out products to measure on."""


def run(settings: Settings) -> None:
    """Make the matcher, unless it already exists, and put its alternatives into Postgres.

    Errors: 65 if the catalogue has too few products to learn anything, 75 if it is not indexed yet, or is indexed with other
    products meanwhile.
    """
    store = Store(settings.store)
    source = catalogue.require(store, settings.catalogue)
    index = find_index(settings.catalogue, source.digest)

    def build(draft: Draft) -> Mapping[str, Any]:
        started = time.monotonic()
        made, scores = _learn(settings, index)
        with folders.temporary_folder() as folder:
            matcher.save(made, folder)
            draft.add_folder(folder)
        draft.add_bytes(layout.SCORES_FILE, json.dumps(scores, indent=1).encode())
        return _figures(made, scores) | {"seconds": round(time.monotonic() - started, 2)}

    config = settings.model_dump(include={"catalogue", "pairs", "hold_back", "seed"})
    inputs = {"catalogue": source.digest, "index": index.digest}
    former = {"index": index.former_digests}
    spec = Spec(store, layout.matcher_path(settings.matcher), Kind.MATCHER, config, inputs, former=former)
    publish_alternatives(artifact.make_once(spec, build), settings.catalogue)


def _learn(settings: Settings, index: SearchIndex) -> tuple[Matcher, dict[str, Any]]:
    from jobs.match.learning import alternatives_of, learn, measured_pairs  # noqa: PLC0415 - loads torch, which "already done" does not need

    training = products.sample(index, TRAIN, settings.pairs or None, settings.seed)
    testing = products.sample(index, TEST, TEST_PRODUCTS, settings.seed)
    if not training:
        raise InputError(f"the index of catalogue {settings.catalogue!r} has no training products to learn from")
    made = learn(training, testing, settings.hold_back, settings.seed)
    if not made.is_calibrated:
        log.warning(
            "too few products to calibrate: descriptions are checked by their words only",
            training=len(training), test=len(testing),
        )  # fmt: skip
        return made, {}
    held_out = products.sample(index, HELD_OUT, TEST_PRODUCTS, settings.seed)
    exchanged_for = alternatives_of(held_out)  # not those of the matcher, which would find each of its own
    return made, figures(made, measured_pairs(held_out, training, exchanged_for, settings.seed))


def _figures(made: Matcher, scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of the manifest."""
    flagged = scores.get("flagged", {})
    return {
        "calibrated": made.is_calibrated,
        "publish_from": round(made.calibration.publish_from, 6),
        "test_products": made.calibration.products,
        "alternatives": sum(len(row) for row in made.alternatives.values()),
        "auc_nearest": scores.get("auc", {}).get("nearest"),
        **{f"flagged_{kind}": flagged[kind]["either"] for kind in flagged},
    }


def publish_alternatives(made: Artifact, name: str) -> None:
    """Replace the alternatives of a catalogue in Postgres by those of a matcher, in one transaction."""
    with folders.temporary_folder() as folder:
        table = matcher.read_alternatives(made.fetch(layout.ALTERNATIVES_FILE, folder))
    rows = [
        (name, item.phrase, item.other, item.pairs, item.example, item.example_other)
        for row in table.values()
        for item in row.values()
    ]
    repeated(migrate)
    repeated(lambda connection: _replace_alternatives(connection, name, rows))


def _replace_alternatives(connection: Connection, catalogue: str, rows: Sequence[tuple[Any, ...]]) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(statement("lock_alternatives"), {"catalogue": catalogue})
        cursor.execute("DELETE FROM skuscribe.alternative WHERE catalogue = %s", [catalogue])
        with cursor.copy(
            "COPY skuscribe.alternative (catalogue, word, other, pairs, example, example_other) FROM STDIN"
        ) as copy:
            for row in rows:
                copy.write_row(row)
