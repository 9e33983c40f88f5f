"""A document of blocks, and its two output formats: an HTML page and a PDF.

Text is data in both: Jinja escapes it, Typst reads it from JSON. Neither interprets it as markup, except for backticks in
sentences (verdict, summary, paragraphs, captions and details of cards): `code` is shown in a fixed-width font.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Literal

import matplotlib
import typst
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from jobs.report import charts

Tone = Literal["good", "bad", "plain"]


@dataclass(frozen=True)
class Cell:
    """A cell of a table. `detail` is a smaller second line."""

    text: str
    detail: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True)
class Table:
    """A table. The first `labels` columns hold names, the others figures.

    `groups` is a second header row above `columns`: each text with the number of columns that it spans.
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
    """A chart with a title and a caption. `svg` is made by `charts.line_chart`."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Charts:
    """Charts, arranged side by side if there is room."""

    charts: Sequence[Chart]
    kind: Literal["charts"] = "charts"


@dataclass(frozen=True)
class Answer:
    """The answer of one stage, with its score and the reasons for which it is flagged."""

    stage: str
    text: str
    score: str
    flags: Sequence[str] = ()


@dataclass(frozen=True)
class Question:
    """A question with the seller's text and the answers of several stages."""

    title: str
    reference: str
    answers: Sequence[Answer]
    kind: Literal["question"] = "question"


@dataclass(frozen=True)
class Card:
    """A figure at the top of the document."""

    label: str
    value: str
    detail: str
    tone: Tone = "plain"


Block = Table | Text | Charts | Question


@dataclass(frozen=True)
class Section:
    """A heading with blocks. `key` is its anchor on the page."""

    key: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A complete report. `verdict` and `summary` are sentences at its top."""

    title: str
    subtitle: str
    verdict: str
    summary: Sequence[str]
    cards: Sequence[Card]
    sections: Sequence[Section]
    footer: str


def to_html(document: Document) -> str:
    """Return the document as one self-contained HTML page without scripts."""
    environment = Environment(
        loader=PackageLoader("jobs.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Only charts are markup: matplotlib draws them and escapes the text in them.
    environment.filters["drawing"] = lambda svg: Markup(charts.on_page(svg))  # noqa: S704
    environment.filters["sentence"] = _sentence
    environment.globals["edges"] = _edges
    return environment.get_template("report.html.j2").render(document=document)


def to_pdf(document: Document, timestamp: datetime) -> bytes:
    """Return the document as a PDF. `timestamp` is its creation date: the same arguments give the same bytes."""
    # Typst comes with serif fonts only. The charts are laid out for matplotlib's DejaVu Sans. Letters that it lacks
    # (Chinese, Japanese, Korean) are taken from the fonts of the machine.
    sans = typst.Fonts(font_paths=[str(Path(matplotlib.get_data_path()) / "fonts" / "ttf")])
    pdf = typst.compile(
        resources.files("jobs.report").joinpath("templates/report.typ").read_bytes(),
        format="pdf",
        font_paths=sans,
        sys_inputs={"document": json.dumps(asdict(document), ensure_ascii=False)},
        timestamp=timestamp,
    )
    if not isinstance(pdf, bytes):
        raise TypeError(f"typst returned {type(pdf).__name__}, expected the bytes of one PDF")
    return pdf


def _sentence(text: str) -> Markup:
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def _edges(table: Table) -> set[int]:
    """Return the columns at which a group begins, except the first."""
    begins, edges = 0, set()
    for _, span in table.groups:
        edges.add(begins)
        begins += span
    return edges - {0}
