"""The shares of an audit: the artifact that the report reads, and the table that is printed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from jobs.audit.rows import LabelledShare, Representation
from jobs.storage import artifact, layout
from jobs.storage.artifact import Artifact, Draft, Spec
from jobs.storage.layout import Kind
from jobs.storage.manifest import digest_of
from jobs.storage.parquet import parquet_bytes
from jobs.storage.store import Store

_TEXTS = ("batch", "uid", "title", "description", "label", "note", "auditor")
SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in _TEXTS),
        pa.field("published", pa.bool_(), nullable=False),
        pa.field("flags", pa.list_(pa.string()), nullable=False),
        pa.field("probability", pa.float64()),
        pa.field("stratum", pa.string(), nullable=False),
        pa.field("stratum_rows", pa.int64(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
    ]
)


def commit(
    store: Store, batch: str, export: Artifact | None, rows: Sequence[dict[str, Any]], verdicts: Sequence[LabelledShare],
    reasons: Sequence[LabelledShare], outdated: int,
) -> Artifact:  # fmt: skip
    """Make the artifact of a batch's labels, replacing one of older labels.

    `export`: the batch, if it is complete. `outdated`: the number of labels of texts that the batch no longer has.
    """
    inputs = {"labels": digest_of(list(rows))} | ({"export": export.digest} if export else {})
    spec = Spec(store, layout.audit_path(batch), Kind.AUDIT, {"batch": batch}, inputs)

    def build(draft: Draft) -> Mapping[str, Any]:
        labels = pa.Table.from_pylist(list(rows), schema=SCHEMA)
        draft.add_bytes(layout.LABELS_FILE, parquet_bytes(labels))
        return {
            "labelled": len(rows),
            "verdicts": [asdict(share) for share in verdicts],
            "reasons": [asdict(share) for share in reasons],
            "outdated": outdated,
        }

    return artifact.make_once(spec, build, replace_outdated=True)


def table(
    verdicts: Sequence[LabelledShare],
    reasons: Sequence[LabelledShare],
    outdated: int,
    representations: Sequence[Representation],
) -> str:
    """Return the shares as text: the share of right texts by verdict, then how often each reason was right.

    Sentences after them say what the labels do not represent.
    """
    lines = _lines("verdict", "right", verdicts)
    lines += ["", *_lines("reason", "wrong", reasons)] if reasons else []
    sentences = [_representation_sentence(item) for item in representations if item.represented != item.texts]
    sentences += [outdated_sentence(outdated)] if outdated else []
    return "\n".join([*lines, "", *sentences] if sentences else lines)


def outdated_sentence(outdated: int) -> str:
    """Say that labels of texts that the batch no longer has make the others no random sample."""
    return (
        f"{outdated:,} more labels are of texts that the batch no longer has. The labels that count are therefore no random sample of it: "
        "draw a new one with `skuscribe audit`."
    )


def _representation_sentence(item: Representation) -> str:
    return (
        f"The labels with the verdict {item.verdict!r} represent {item.represented:,} texts, and the batch has {item.texts:,}: label at "
        "least one text of each reason, or draw a new sample with `skuscribe audit` if the batch has changed."
    )


def _lines(name: str, count: str, shares: Sequence[LabelledShare]) -> list[str]:
    width = max(len(text) for text in (name, *(item.name for item in shares)))
    return [f"{name:<{width}}  labelled  {count:>6}    share  95 % interval"] + [
        f"{item.name:<{width}}  {item.labelled:>8,}  {item.count:>6,}  {item.share.value:>7.1%}  "
        f"{item.share.low:.1%} to {item.share.high:.1%}"
        for item in shares
    ]
