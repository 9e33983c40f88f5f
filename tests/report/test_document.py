"""A document as a page and as a PDF: text is never interpreted as markup."""

import io
import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import matplotlib
import matplotlib.image
import numpy as np
import typst
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.report.document import Answer, Block, Card, Cell, Document, Question, Section, Table, Text, to_html, to_pdf

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PIXELS_PER_POINT = 2
BACKTICK = 3 * PIXELS_PER_POINT
"""Less than the width of one."""
HOSTILE = (
    "<script>alert(1)</script>", "</style><b>", "#panic(\"x\")", "#read(\"/etc/passwd\")", "] $ \\ ` * _ @a <b>", "{{ 7 * 7 }} {% x %}",
    "// /* */", "日本語 한국어 العربية 😀", "\u202egnp.exe", "\x00\x01\x7f", "x" * 5000, "a\nb\r\n\n\nc", "&lt;&amp;", "'\"",
)  # fmt: skip


def document(text: str) -> Document:
    """Return a document with this text in every field."""
    blocks: list[Block] = [
        Text(text),
        Table(text, [text, text], [[Cell(text, text), Cell(text, text, "good")]], groups=[(text, 2)]),
        Question(text, text, [Answer(text, text, text, [text])]),
    ]
    return Document(text, text, text, [text], [Card(text, text, text)], [Section("key", text, blocks)], text)


@settings(max_examples=10, deadline=None)
@given(st.text(min_size=1))
@example("".join(HOSTILE))
def test_text_adds_no_tag_to_the_page(text: str) -> None:
    pages = [to_html(document(words)) for words in ("plain", text)]
    tags = [re.findall(r"<(?!/?code>)[a-zA-Z/!][^>]*", page) for page in pages]
    assert len(tags[0]) == len(tags[1])


@settings(max_examples=8, deadline=None)
@given(st.text())
@example("".join(HOSTILE))
def test_any_text_gives_a_pdf(text: str) -> None:
    assert to_pdf(document(text), NOON).startswith(b"%PDF-")


def test_each_hostile_text_gives_a_pdf() -> None:
    for text in HOSTILE:
        assert to_pdf(document(text), NOON).startswith(b"%PDF-")


def test_the_same_document_gives_the_same_bytes() -> None:
    assert to_html(document("a")) == to_html(document("a"))
    assert to_pdf(document("a"), NOON) == to_pdf(document("a"), NOON)


def test_an_empty_answer_is_shown_as_no_text() -> None:
    question = Question("title", "reference", [Answer("Base model", "", "0.00")])
    assert "(no text)" in to_html(Document("t", "s", "v", [], [], [Section("q", "Q", [question])], ""))


def test_backticks_in_sentences_are_code_and_those_in_texts_of_products_are_kept() -> None:
    page = to_html(document("run `a <b>` & c"))
    assert page.count("run <code>a &lt;b&gt;</code> &amp; c") == 5  # verdict, summary, card, paragraph, caption
    assert "<bdi>run `a &lt;b&gt;` &amp; c</bdi>" in page
    command, plain = (first_line(only(Text(text))) for text in ("run `a`", "run a"))
    assert abs(command[-1][1] - plain[-1][1]) < BACKTICK


def test_the_words_of_a_header_do_not_overlap_next_to_long_labels() -> None:
    columns = ["", *["Contradicts"] * 6]
    row = [
        Cell("a seller's own text, in which words of its title are replaced by those of a random product"),
        *[Cell("")] * 6,
    ]
    assert len(first_line(only(Table("", columns, [row])))) == 6


def test_long_labels_wrap_so_that_the_figures_next_to_them_are_visible() -> None:
    rows = [
        [Cell("numbers and codes that the title or enough neighbours have"), Cell("94 %")],
        [Cell("short"), Cell("")],
    ]
    labels = re.findall(r'<th scope="row" class="label([^"]*)"', to_html(only(Table("", ["", "Mean"], rows))))
    assert ["long" in label for label in labels] == [True, False]


def test_every_table_that_scrolls_shows_it() -> None:
    on_screen = to_html(document("a")).split("@media print")[0]
    assert "local" in on_screen
    assert "background: none" not in on_screen


def only(block: Block) -> Document:
    return Document("", "", "", [], [], [Section("key", "", [block])], "")


def first_line(document: Document) -> list[tuple[int, int]]:
    """Return where each word of the first line of a PDF's text begins and ends, in pixels."""
    fonts = typst.Fonts(font_paths=[str(Path(matplotlib.get_data_path()) / "fonts" / "ttf")])
    template = resources.files("jobs.report").joinpath("templates/report.typ").read_bytes()
    data = {"document": json.dumps(asdict(document))}
    page = typst.compile(template, format="png", ppi=PIXELS_PER_POINT * 72, font_paths=fonts, sys_inputs=data)
    assert isinstance(page, bytes)
    ink = matplotlib.image.imread(io.BytesIO(page))[:, :, :3].max(axis=2) < 0.4  # lines and captions are lighter
    rows = np.flatnonzero(ink.any(axis=1))
    line = rows[: int(np.argmax(np.append(np.diff(rows), 2) > 1)) + 1]
    columns = np.flatnonzero(ink[line].any(axis=0))
    gaps = np.flatnonzero(np.diff(columns) > 2 * PIXELS_PER_POINT)
    return list(zip(columns[[0, *(gaps + 1)]], columns[[*gaps, -1]], strict=True))
