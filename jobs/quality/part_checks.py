"""Checks of a description that need the other descriptions of its part."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobs.quality.checks import GENERIC, REASONS, UNRELIABLE, Scores
from jobs.quality.metrics import words

MAX_SAME_TEXTS = 3
MIN_PASSING_SHARE, MIN_PART_TEXTS = 0.2, 20
"""Where fewer texts pass, most are wrong, and a good part of those that pass are wrong texts that the checks miss. A part with fewer
texts is too small to tell."""


def compared(scores: Sequence[Scores], texts: Sequence[str], clusters: Sequence[object]) -> list[Scores]:
    """Return the scores with the reasons that only show beside the other texts: `generic` and `unreliable`.

    `clusters`: of the products, as for `with_generic`.
    """
    return with_unreliable(with_generic(scores, texts, clusters))


def with_generic(scores: Sequence[Scores], texts: Sequence[str], clusters: Sequence[object]) -> list[Scores]:
    """Return the scores with the reason `generic` for texts that too many products share.

    Texts with the same words, in any order, count as one. `clusters`: of each product; duplicates may share a text.
    """
    keys = [" ".join(sorted(words(text))) for text in texts]
    members = Counter(key for key, _ in set(zip(keys, clusters, strict=True)))
    return [
        _with_evidence(score, GENERIC, {"products": members[key]}) if key and members[key] > MAX_SAME_TEXTS else score
        for key, score in zip(keys, scores, strict=True)
    ]


def with_unreliable(scores: Sequence[Scores]) -> list[Scores]:
    """Return the scores with the reason `unreliable` for the texts that pass, if too few of all do."""
    passing = sum(not score.flags for score in scores)
    if not _too_few_pass(passing, len(scores)):
        return list(scores)
    evidence = {"passing": passing, "texts": len(scores)}
    return [score if score.flags else _with_evidence(score, UNRELIABLE, evidence) for score in scores]


def candidates_may_help(scores: Sequence[Scores], candidates: int) -> bool:
    """Return whether enough texts of a part may pass for any to be published, if each title gets `candidates` other texts.

    `scores`: those of the first texts. Other texts of the same model are about as likely to pass.
    """
    passing = sum(not score.flags for score in scores)
    return not _too_few_pass(passing * (1 + candidates), len(scores))


def _too_few_pass(passing: int, texts: int) -> bool:
    """Return whether so few texts of a part pass that none is to be published."""
    return texts >= MIN_PART_TEXTS and passing < MIN_PASSING_SHARE * texts


def _with_evidence(scores: Scores, reason: str, evidence: Mapping[str, Any]) -> Scores:
    all_evidence = {**scores.evidence, reason: dict(evidence)}
    flags = tuple(name for name in REASONS if name in all_evidence)
    return replace(scores, flags=flags, evidence={name: all_evidence[name] for name in flags})
