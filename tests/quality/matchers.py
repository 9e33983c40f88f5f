"""A matcher whose probability is known: it depends only on the share of the title's words that the text has."""

import tempfile
from pathlib import Path

import numpy as np

from jobs.quality import matcher
from jobs.quality.alternatives import Table
from jobs.quality.features import NAMES
from jobs.quality.matcher import Calibration, Matcher, Network
from jobs.quality.word_pairs import no_word_pairs
from jobs.quality.word_statistics import WordStatistics
from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact
from jobs.storage.layout import Kind
from jobs.storage.store import Store


def share_network(scale: float = 10.0, offset: float = -5.0, features: int = len(NAMES)) -> Network:
    """Return a network whose logit is `scale` times the share of the title's words in the text, plus `offset`."""
    hidden = np.zeros((1, features))
    hidden[0, NAMES.index("share_present")] = 1
    zeros = np.zeros(features)
    return Network(zeros, zeros + 1, hidden, np.zeros(1), np.array([scale]), np.array([offset]))


def share_matcher(alternatives: Table | None = None, publish_from: float = 0.5, products: int = 100) -> Matcher:
    """Return a matcher that publishes from half of the title's words. It is not calibrated if `products` is 0."""
    calibration = Calibration(1.0, 0.0, publish_from, 0.0, products)
    return Matcher(
        WordStatistics(products=100).finish(), no_word_pairs(), alternatives or {}, share_network(), calibration
    )


def commit_matcher(
    store: Store, made: Matcher, name: str = "main", learnt_from: tuple[str, str] | None = None
) -> Artifact:
    """Commit a matcher as if the job `match` had learnt it. `learnt_from`: name and digest of its catalogue."""

    def add_files(draft: artifact.Draft) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            matcher.save(made, Path(folder))
            draft.add_folder(Path(folder))
        return {}

    config, inputs = ({"catalogue": learnt_from[0]}, {"catalogue": learnt_from[1]}) if learnt_from else ({}, {})
    return artifact.make_once(artifact.Spec(store, layout.matcher_path(name), Kind.MATCHER, config, inputs), add_files)
