"""A document of few kinds of block, and the two ways to publish it: one HTML page, one PDF.

Text goes into both as data: Jinja escapes it, Typst reads it from JSON. Neither ever reads it as markup.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Literal

from jobs.report import charts

Tone = Literal["good", "bad", "plain"]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, and a smaller second line."""

    text: str
    detail: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header. The first `labels` columns are names, the others figures.

    `groups` is a second header above the first: the text of each and how many columns it spans; empty where there is none.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    labels: int = 1
    groups: Sequence[tuple[str, int]] = ()
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class Chart:
    """A chart with its title and what to look for in it. `svg` is as `charts.line_chart` draws it."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Charts:
    """Charts that stand side by side where there is room."""

    charts: Sequence[Chart]
    kind: Literal["charts"] = "charts"


@dataclass(frozen=True)
class Answer:
    """One stage's answer. `notes` are short: a score, a reason why it was flagged."""

    stage: str
    text: str
    score: str
    flags: Sequence[str] = ()


@dataclass(frozen=True)
class Question:
    """One product at every stage."""

    title: str
    reference: str
    answers: Sequence[Answer]
    kind: Literal["question"] = "question"


@dataclass(frozen=True)
class Card:
    """A figure that is seen first."""

    label: str
    value: str
    detail: str
    tone: Tone = "plain"


Block = Table | Text | Charts | Question


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    key: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """The whole."""

    title: str
    subtitle: str
    verdict: str
    summary: Sequence[str]
    cards: Sequence[Card]
    sections: Sequence[Section]
    footer: str


def to_html(document: Document) -> str:
    """One page that needs nothing else: its style and its charts stand in it, and it has no script."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("jobs.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # A chart is the one thing that is markup: matplotlib drew it, and it escapes the text that it is given.
    environment.filters["drawing"] = lambda svg: Markup(charts.on_page(svg))  # noqa: S704
    environment.globals["edges"] = _edges
    return environment.get_template("report.html.j2").render(document=document)


def to_pdf(document: Document, timestamp: datetime) -> bytes:
    """The same as a PDF. `timestamp` is what it says about when it was made, so that the same document gives the same bytes."""
    import matplotlib
    import typst

    # Typst brings serif fonts alone; matplotlib's DejaVu Sans is the font that the charts were measured with.
    # A font of the machine helps out where DejaVu has no such letter (Chinese, Japanese, Korean).
    sans = typst.Fonts(font_paths=[str(Path(matplotlib.get_data_path()) / "fonts" / "ttf")])
    made = typst.compile(
        resources.files("jobs.report").joinpath("templates/report.typ").read_bytes(),
        format="pdf",
        font_paths=sans,
        sys_inputs={"document": json.dumps(asdict(document), ensure_ascii=False)},
        timestamp=timestamp,
    )
    if not isinstance(made, bytes):
        raise TypeError(f"typst gave {type(made).__name__}, expected the bytes of one PDF")
    return made


def _edges(table: Table) -> set[int]:
    """The columns at which a group of columns begins."""
    begins, edges = 0, set()
    for _, span in table.groups:
        edges.add(begins)
        begins += span
    return edges - {0}
