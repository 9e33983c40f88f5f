"""The threshold of --from-audit: the probability from which a given share of the texts that people have labelled is right."""

import json
from math import ceil
from statistics import NormalDist

from jobs.database.migrations import migrate
from jobs.database.repeat import repeated
from jobs.process import log
from jobs.process.errors import ConfigurationError
from jobs.quality.checks import OFF_TITLE
from jobs.quality.intervals import CONFIDENCE
from jobs.quality.matcher import PROBABILITY_DIGITS
from jobs.quality.publish_threshold import MIN_LABELS, Threshold, labelled_texts, publish_threshold
from jobs.storage import artifact, layout
from jobs.storage.store import Store

MIN_EXCESS = 0.001
"""A share that exceeds the demanded one by less would take 100,000s of labels to be certain."""


def threshold_of_batch(store: Store, batch: str, from_audit: float, catalogue: str, matcher_digest: str) -> float:
    """Return the threshold of a batch: the one that its first process computed from the labels.

    Labels that are stored later would give another one, with which the parts that exist, or that other processes make, do not
    match. Errors: those of `threshold_from_labels`.
    """
    key = layout.threshold_path(batch, from_audit, matcher_digest)
    if (data := store.read(key)) is None:
        threshold = recorded_threshold(store, batch, from_audit, matcher_digest)
        if threshold is None:
            threshold = threshold_from_labels(from_audit, catalogue, matcher_digest)
        store.write_if_absent(key, json.dumps({"publish_from": threshold}).encode())
        data = store.read(key) or b""
    return float(json.loads(data)["publish_from"])


def recorded_threshold(store: Store, batch: str, from_audit: float, matcher_digest: str) -> float | None:
    """Return the threshold that an earlier version used for a batch, or a part of it, with this share and matcher, None if there is none."""
    path = layout.export_path(batch)
    for place in (path, *(f"{path}/{name}" for name in store.folders(f"{path}/"))):
        existing = artifact.find(store, place)
        if existing is None or existing.manifest.inputs.get("matcher") != matcher_digest:
            continue
        if existing.manifest.settings.get("from_audit") == from_audit:
            return float(existing.manifest.settings["publish_from"])
    return None


def threshold_from_labels(from_audit: float, catalogue: str, matcher_digest: str) -> float:
    """Return the lowest probability from which the share `from_audit` of the labelled texts is right.

    A warning says if they are too few to be certain of that. Errors: `ConfigurationError` (78) if there is no such probability.
    """
    repeated(migrate)
    labelled = repeated(
        lambda connection: labelled_texts(connection, catalogue, matcher_digest, [OFF_TITLE]), read_only=True
    )
    threshold = publish_threshold(labelled, from_audit)
    if threshold is None:
        raise ConfigurationError(
            f"--from-audit {from_audit}: expected a threshold with this share of right texts, found none in the {len(labelled):,} labelled "
            f"texts of catalogue {catalogue!r} and this matcher (at least {MIN_LABELS} are needed): label more with `skuscribe audit`, "
            "or lower it"
        )
    log.info(
        "threshold from the audit",
        probability=threshold.probability,
        labels=threshold.labels,
        share=threshold.share,
        low=threshold.low,
        is_certain=threshold.is_certain,
    )
    if not threshold.is_certain:
        _warn(threshold, len(labelled), from_audit)
    return round(threshold.probability, PROBABILITY_DIGITS)


def _warn(threshold: Threshold, labelled: int, from_audit: float) -> None:
    """Log what is known of the share of right texts at the threshold, and about how many more labels would make it certain."""
    needed = labels_to_be_certain(threshold.share, from_audit)
    more = None if needed is None else ceil((needed / threshold.effective_labels - 1) * labelled)
    log.warning(
        "threshold from too few labels to be certain: label more with `skuscribe audit`, or lower --from-audit",
        from_audit=from_audit,
        probability=threshold.probability,
        share=round(threshold.share, 4),
        low=round(threshold.low, 4),
        high=round(threshold.high, 4),
        labels=threshold.labels,
        more_labels_needed=more,
    )


def labels_to_be_certain(share: float, at_least: float) -> int | None:
    """Return the number of labels from which the lower bound of the Wilson interval of `share` is `at_least`.

    None if no number that people can label suffices, because `share` hardly exceeds `at_least`. The bound is where the score test
    just rejects: n (share - at_least)^2 = z^2 at_least (1 - at_least).
    """
    if share - at_least < MIN_EXCESS:
        return None
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    return ceil(z**2 * at_least * (1 - at_least) / (share - at_least) ** 2)
