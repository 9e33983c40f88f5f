"""audit.csv: the drawn texts, with columns for the label, a note and the name of the auditor.

It is CSV as RFC 4180 defines it, in UTF-8 with a byte order mark, without which some spreadsheets show wrong letters. A text
that a spreadsheet would run as a formula has `'` in front.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.text.spreadsheet import csv_file, escaped

COLUMNS = (
    "batch", "uid", "title", "description", "neighbours", "label", "note", "auditor", "published", "flags", "evidence",
    "probability", "stratum", "stratum_rows", "text_digest",
)  # fmt: skip
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Neighbour:
    """A retrieved neighbour of a description: its title and the beginning of its text."""

    title: str
    text: str


@dataclass(frozen=True)
class AuditRow:
    """A drawn text with its verdict. `evidence`: what each flag was given for."""

    batch: str
    uid: str
    title: str
    description: str
    neighbours: tuple[Neighbour, ...]
    published: bool
    flags: tuple[str, ...]
    evidence: Mapping[str, Any]
    probability: float | None
    stratum: str
    stratum_rows: int
    text_digest: str

    def cells(self) -> list[str]:
        """Return the cells of the row, in the order of `COLUMNS`."""
        texts = {
            "batch": self.batch,
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "neighbours": "\n".join(f"{neighbour.title}: {neighbour.text}" for neighbour in self.neighbours),
            "published": str(self.published).lower(),
            "flags": "; ".join(self.flags),
            "evidence": json.dumps(self.evidence, ensure_ascii=False) if self.evidence else "",
            "probability": "" if self.probability is None else f"{self.probability:.4f}",
            "stratum": self.stratum,
            "stratum_rows": str(self.stratum_rows),
            "text_digest": self.text_digest,
        }
        return [escaped(texts.get(name, "")) for name in COLUMNS]


def write(rows: Sequence[AuditRow]) -> bytes:
    """Return the file. The same rows give the same bytes."""
    return BYTE_ORDER_MARK.encode() + csv_file(COLUMNS, (row.cells() for row in rows))
