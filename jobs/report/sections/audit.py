"""The section on the labels that people gave to descriptions of a batch."""

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.quality.metrics import Interval
from jobs.report.document import Cell, Section, Table, Text
from jobs.report.history import History
from jobs.report.wording import count, percent, reason_label

_VERDICTS = {"published": "Published", "held back": "Held back"}


def section(history: History) -> Section | None:
    """Return the section, or None if no person has labelled texts of the batch."""
    figures = history.audit_figures
    if not figures or not figures.get("labelled"):
        return None
    tables = (_verdict_table(figures.get("verdicts", [])), _reason_table(figures.get("reasons", [])))
    introduction = (
        f"People labelled {count(figures['labelled'])} texts of batch {history.batch!r}, drawn at random, as right or wrong. A text "
        "is right if it is about its product and every statement in it is true."
    )
    if figures.get("outdated"):
        introduction += f" {count(figures['outdated'])} more labels are of texts that the batch no longer has, so the labels are not a random sample of it."
    return Section("audit", "Labels by people", [Text(introduction), *(table for table in tables if table.rows)])


def _verdict_table(findings: Sequence[Mapping[str, Any]]) -> Table:
    rows = [_row(_VERDICTS.get(str(finding["name"]), str(finding["name"])), finding) for finding in findings]
    caption = (
        "Right texts by verdict, with the 95 % Wilson interval. The sample of held-back texts is stratified by reason, so their "
        "share is weighted."
    )
    return Table(caption, ["Verdict", "Labelled", "Right", "Share"], rows)


def _reason_table(findings: Sequence[Mapping[str, Any]]) -> Table:
    rows = [_row(reason_label(str(finding["name"])), finding) for finding in findings]
    caption = "Precision of each reason for holding a text back: the share of wrong texts among the labelled texts with this reason."
    return Table(caption, ["Reason", "Labelled", "Wrong", "Share"], rows)


def _row(name: str, finding: Mapping[str, Any]) -> list[Cell]:
    share = Interval(**finding["share"])
    interval = f"{percent(share.low)} \N{EN DASH} {percent(share.high)}"
    return [
        Cell(name),
        Cell(count(finding["labelled"])),
        Cell(count(finding["count"])),
        Cell(percent(share.value), interval),
    ]
