"""The rows of a batch in Postgres that `audit` reads, and the labels that it writes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from jobs.audit.drawing import Candidate, Drawn
from jobs.audit.labels import KnownText, Label
from jobs.audit.worksheet import AuditRow, Neighbour
from jobs.database.connection import Connection, statement
from jobs.process.errors import NotReadyError
from jobs.quality.metrics import Interval

NEIGHBOUR_CHARACTERS = 1_000
"""Longer texts of neighbours are truncated: a person reads their beginning."""


@dataclass(frozen=True)
class LabelledShare:
    """A share of labelled texts with its 95 % interval, as the views have it.

    `name` is a verdict (`share` of right texts, of which there are `count`) or a reason (`share` of wrong ones).
    """

    name: str
    labelled: int
    count: int
    share: Interval


@dataclass(frozen=True)
class Representation:
    """How many texts the labels of a verdict are a sample of, and how many texts with this verdict the batch has."""

    verdict: str
    represented: int
    texts: int


def candidates(connection: Connection, batch: str) -> list[Candidate]:
    """Return the texts of a batch that can be drawn. Errors: `NotReadyError` (75) if there are none."""
    rows = connection.execute(statement("audit_candidates"), {"batch": batch}).fetchall()
    if not rows:
        raise _no_texts(batch)
    return [Candidate(uid, published, tuple(flags)) for uid, published, flags in rows]


def count_candidates(connection: Connection, batch: str) -> int:
    """Return the number of texts of a batch that can be drawn."""
    return int(connection.value(statement("count_audit_candidates"), {"batch": batch}))


def audit_rows(connection: Connection, batch: str, drawn: Sequence[Drawn]) -> list[AuditRow]:
    """Return the drawn texts with their verdict and neighbours, in the order of `drawn`."""
    values = {
        "batch": batch,
        "uids": [text.uid for text in drawn],
        "neighbour_characters": NEIGHBOUR_CHARACTERS,
    }
    found = {row[0]: row for row in connection.execute(statement("audit_rows"), values)}
    return [_audit_row(batch, text, found[text.uid]) for text in drawn if text.uid in found]


def _audit_row(batch: str, drawn: Drawn, row: tuple[Any, ...]) -> AuditRow:
    uid, title, description, published, flags, evidence, probability, digest, neighbours = row
    return AuditRow(
        batch=batch,
        uid=uid,
        title=title,
        description=description,
        neighbours=tuple(Neighbour(**neighbour) for neighbour in neighbours),
        published=published,
        flags=tuple(flags),
        evidence=evidence,
        probability=probability,
        stratum=drawn.stratum,
        stratum_rows=drawn.stratum_rows,
        text_digest=digest,
    )


def known_texts(connection: Connection, batch: str, uids: Sequence[str]) -> list[KnownText]:
    """Return the texts that a batch has for these uids. Errors: `NotReadyError` (75) if the batch has no texts at all."""
    rows = connection.execute(statement("audit_texts"), {"batch": batch, "uids": list(uids)}).fetchall()
    if not rows and not count_candidates(connection, batch):
        raise _no_texts(batch)
    return [KnownText(*row) for row in rows]


def _no_texts(batch: str) -> NotReadyError:
    return NotReadyError(
        f"the batch {batch!r} has no texts in Postgres: `skuscribe describe --batch {batch}` writes them"
    )


def lock(connection: Connection) -> None:
    """Wait until no other process stores labels. The lock ends with the transaction."""
    connection.execute(statement("lock_labels"))


def write_labels(connection: Connection, labels: Sequence[Label], matcher_digest: str | None) -> None:
    """Insert the labels. A label of the same text is replaced. `matcher_digest`: of the matcher that checked the texts.

    Errors: `NotReadyError` (75) if the batch no longer has one of the texts. Roll back the transaction then.
    """
    values = [{**asdict(label), "matcher_digest": matcher_digest} for label in labels]
    with connection.cursor() as cursor:
        cursor.executemany(statement("write_audit_label"), values)
        stored = cursor.rowcount
    if stored != len(labels):
        raise NotReadyError(
            f"expected to store {len(labels):,} labels, and the batch {labels[0].batch!r} still has the texts of {stored:,}: "
            "`skuscribe describe` has written it meanwhile. No label was stored: run the same command again"
        )


def audited(connection: Connection, batch: str) -> list[dict[str, Any]]:
    """Return the labelled texts of a batch, with the columns of `sql/queries/audited.sql`."""
    cursor = connection.execute(statement("audited"), {"batch": batch})
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def by_verdict(connection: Connection, batch: str) -> list[LabelledShare]:
    """Return the share of right texts among the published and among those held back."""
    query = """SELECT verdict, labelled, labelled_right, share_right, low, high
               FROM skuscribe.audit_result WHERE batch = %s"""
    return _shares(connection, query, batch)


def outdated(connection: Connection, batch: str) -> int:
    """Return the number of labels of texts that the batch no longer has."""
    query = "SELECT outdated FROM skuscribe.audit_result WHERE batch = %s LIMIT 1"
    return int(connection.value(query, [batch]) or 0)


def representations(connection: Connection, batch: str) -> list[Representation]:
    """Return how much of the batch the labels represent, by verdict."""
    query = "SELECT verdict, represented, texts FROM skuscribe.audit_result WHERE batch = %s"
    return [Representation(*row) for row in connection.execute(query, [batch])]


def by_reason(connection: Connection, batch: str) -> list[LabelledShare]:
    """Return the share of wrong texts among those with each reason."""
    query = """SELECT reason, labelled, labelled_wrong, share_wrong, low, high
               FROM skuscribe.audit_by_reason WHERE batch = %s"""
    return _shares(connection, query, batch)


def _shares(connection: Connection, query: str, batch: str) -> list[LabelledShare]:
    rows = connection.execute(query.encode(), [batch])
    return [LabelledShare(name, labelled, count, Interval(*share)) for name, labelled, count, *share in rows]
