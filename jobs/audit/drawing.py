"""A stratified random sample of a batch.

The published texts are one stratum. Of those held back, each is in the stratum of its rarest reason, so that a rare reason
has labels too. Within a stratum, every text is equally likely to be drawn.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PUBLISHED, NO_REASON = "published", "held back"


@dataclass(frozen=True)
class Candidate:
    """A text that can be drawn, and its verdict."""

    uid: str
    published: bool
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Drawn:
    """A drawn text. `stratum_rows`: the number of texts of its stratum in the batch."""

    uid: str
    stratum: str
    stratum_rows: int


def draw(candidates: Sequence[Candidate], rows: int, seed: int) -> list[Drawn]:
    """Return at most `rows` texts in an order that does not tell their verdict. The same arguments give the same texts.

    The order is random across strata, so that labels of the first texts only are a sample as well.
    """
    frequency = Counter(flag for candidate in candidates for flag in candidate.flags)
    strata: dict[str, list[str]] = {}
    for candidate in candidates:
        strata.setdefault(_stratum(candidate, frequency), []).append(candidate.uid)
    counts = allocate({name: len(uids) for name, uids in strata.items()}, rows)
    drawn = [
        Drawn(uid, name, len(uids))
        for name, uids in strata.items()
        for uid in sorted(uids, key=lambda uid: _hash(seed, "draw", uid))[: counts[name]]
    ]
    return sorted(drawn, key=lambda text: _hash(seed, "order", text.uid))


def allocate(sizes: Mapping[str, int], rows: int) -> dict[str, int]:
    """Return how many texts to draw from each stratum: at most `rows` in all, and none more than it has.

    Half are published ones. The others are spread evenly over the reasons; what a small stratum lacks goes to the larger ones.
    If there are fewer rows than reasons, the largest strata have one each.
    """
    reasons = {name: size for name, size in sizes.items() if name != PUBLISHED}
    published = sizes.get(PUBLISHED, 0)
    counts = _spread(reasons, rows - min(published, (rows + 1) // 2))
    if PUBLISHED in sizes:
        counts[PUBLISHED] = min(published, rows - sum(counts.values()))
    return counts


def _spread(sizes: Mapping[str, int], rows: int) -> dict[str, int]:
    if rows < len(sizes):
        largest = sorted(sizes, key=lambda name: (-sizes[name], name))[:rows]
        return {name: int(name in largest) for name in sizes}
    counts, left = {}, rows
    for done, (name, size) in enumerate(sorted(sizes.items(), key=lambda entry: (entry[1], entry[0]))):
        counts[name] = min(size, -(-left // (len(sizes) - done)))  # rounded up
        left -= counts[name]
    return counts


def _stratum(candidate: Candidate, frequency: Mapping[str, int]) -> str:
    if candidate.published:
        return PUBLISHED
    return min(candidate.flags, key=lambda flag: (frequency[flag], flag), default=NO_REASON)


def _hash(seed: int, purpose: str, uid: str) -> bytes:
    """Return a key to sort by at random: unlike a random generator, it is not changed by the other texts of the batch."""
    return hashlib.sha256(f"{seed} {purpose} {uid}".encode()).digest()
