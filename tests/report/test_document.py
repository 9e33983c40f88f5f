"""A document as a page and as a PDF: text is never interpreted as markup."""

import re
from datetime import UTC, datetime

from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.report.document import Answer, Block, Card, Cell, Document, Question, Section, Table, Text, to_html, to_pdf

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
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
    tags = [re.findall(r"<[a-zA-Z/!][^>]*", to_html(document(words))) for words in ("plain", text)]
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
