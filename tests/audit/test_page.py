"""audit.html: labels are given with keys, kept by the browser, and downloaded as the file that `audit` reads."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from jobs.audit import labels, page, worksheet
from jobs.audit.labels import KnownText, Label
from jobs.audit.worksheet import AuditRow, Neighbour
from tests.audit import browser
from tests.audit.batches import HOSTILE
from tests.audit.browser import Browser

ROWS = [
    AuditRow(
        batch="main", uid=f"P{number}", title=f"Title {number}", description=f"Text {number}.",
        neighbours=(Neighbour(f"Near {number}", "Its text."),), published=not number % 2,
        flags=("contradicts",) if number % 2 else (), evidence={"contradicts": ["red", "blue"]} if number % 2 else {},
        probability=0.25 + number / 2, stratum="contradicts" if number % 2 else "published", stratum_rows=40,
        text_digest=f"{number}" * 64,
    )
    for number in range(2)
]  # fmt: skip
ROWS.append(
    replace(
        ROWS[0], uid="=P2", title=f"={HOSTILE}", description=HOSTILE, neighbours=(Neighbour(HOSTILE, HOSTILE),),
        flags=(HOSTILE,), evidence={HOSTILE: HOSTILE},
    )
)  # fmt: skip
needs_chromium = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium is installed")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "audit.html").write_text(page.render(ROWS, worksheet.write(ROWS)), encoding="utf-8")
    return tmp_path / "audit.html"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser.browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


def checked(downloaded: Path) -> list[Label]:
    known = [KnownText(row.uid, row.title, row.description, row.text_digest) for row in ROWS]
    return labels.check(labels.read(downloaded.read_bytes(), "audit.csv"), known, ROWS[0].stratum_rows, "audit.csv")


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "script":
            self.scripts[-1] += data


def test_the_page_loads_nothing_and_texts_are_data(file: Path) -> None:
    elements = Elements(file.read_text(encoding="utf-8"))
    assert [tag for tag, _ in elements.found if tag in ("script", "style", "img", "link", "iframe")] == [
        "style", "script", "script"
    ]  # fmt: skip
    assert not [attributes for _, attributes in elements.found if {"src", "href", "onclick"} & attributes.keys()]
    policy = next(attributes["content"] for _, attributes in elements.found if "http-equiv" in attributes)
    assert re.fullmatch(
        r"default-src 'none'; script-src 'sha256-[^ ;]+'; style-src 'sha256-[^ ;]+'; base-uri 'none'; form-action 'none'",
        policy or "",
    )
    sample = json.loads(elements.scripts[0])
    assert [row["description"] for row in sample["rows"]] == [row.description for row in ROWS]


@needs_chromium
def test_labels_that_another_tab_gives_are_kept_and_shown(chromium: Browser, file: Path) -> None:
    chromium.open(file)
    chromium.evaluate("localStorage.clear()")
    chromium.open(file)
    key = chromium.evaluate("STORAGE_KEY")
    of_other_tab = {"labels": {"1": "wrong", "2": "right"}, "notes": {}, "auditor": "Ada", "row": 2}
    chromium.evaluate(f"localStorage.setItem({key!r}, {json.dumps(json.dumps(of_other_tab))})")
    chromium.press("r")
    assert chromium.text("counter") == "3 of 3 labelled: 2 right, 1 wrong"
    assert chromium.text("position") == "Text 1 of 3"
    kept = json.loads(chromium.evaluate(f"localStorage.getItem({key!r})"))
    assert kept["labels"] == {"0": "right", "1": "wrong", "2": "right"}
    chromium.evaluate(f"localStorage.setItem({key!r}, {json.dumps(json.dumps(of_other_tab))})")
    chromium.evaluate(f"dispatchEvent(new StorageEvent('storage', {{key: {key!r}}}))")
    assert chromium.text("counter") == "2 of 3 labelled: 1 right, 1 wrong"
    chromium.evaluate("localStorage.clear()")


@needs_chromium
def test_labels_are_given_with_keys_kept_and_downloaded(chromium: Browser, file: Path, tmp_path: Path) -> None:
    chromium.open(file)
    assert chromium.text("counter") == "0 of 3 labelled: 0 right, 0 wrong"
    assert [chromium.text(name) for name in ("title", "description")] == ["Title 0", "Text 0."]
    assert "Near 0" in chromium.text("neighbours")
    chromium.press("r")
    chromium.press("ArrowRight")
    chromium.press("w")
    chromium.type_into("note", "-10 % is wrong; w")
    chromium.type_into("auditor", "Ada")
    assert chromium.text("counter") == "2 of 3 labelled: 1 right, 1 wrong"

    chromium.open(file)  # the labels are kept
    assert chromium.text("counter") == "2 of 3 labelled: 1 right, 1 wrong"
    assert chromium.text("position") == "Text 2 of 3"
    downloaded = chromium.download("download", tmp_path)
    assert "'-10 % is wrong; w" in downloaded.read_text("utf-8-sig")
    given = checked(downloaded)
    assert [(label.uid, label.label, label.note, label.auditor) for label in given] == [
        ("P0", "right", "", "Ada"), ("P1", "wrong", "-10 % is wrong; w", "Ada")
    ]  # fmt: skip

    chromium.press("n")  # the next text without a label
    assert chromium.text("position") == "Text 3 of 3"
    chromium.evaluate("document.getElementById('right').click()")
    chromium.press("ArrowLeft")
    chromium.press("c")
    assert chromium.text("counter") == "2 of 3 labelled: 2 right, 0 wrong"
    assert not chromium.console


@needs_chromium
def test_the_verdict_is_shown_after_the_label_only(chromium: Browser, file: Path) -> None:
    file.write_text(page.render(ROWS[1:2], worksheet.write(ROWS[1:2])), encoding="utf-8")
    chromium.open(file)
    assert chromium.text("verdict") == ""
    shown = str(chromium.evaluate("document.querySelector('main').textContent"))
    assert not [word for word in ("contradicts", "blue", "held back", "0.75") if word in shown]
    chromium.press("r")
    assert chromium.text("verdict").splitlines()[0] == "skuscribe: held back, probability 0.75"
    assert "contradicts: red, blue" in chromium.text("verdict")


@needs_chromium
def test_a_text_is_never_markup(chromium: Browser, file: Path, tmp_path: Path) -> None:
    file.write_text(page.render(ROWS[2:], worksheet.write(ROWS[2:])), encoding="utf-8")
    chromium.open(file)
    chromium.press("w")
    assert chromium.evaluate("document.getElementById('description').textContent") == HOSTILE
    assert HOSTILE in str(chromium.evaluate("document.getElementById('verdict').textContent"))
    assert chromium.evaluate("document.title") == "skuscribe audit"
    assert chromium.evaluate("document.querySelectorAll('img, main script').length") == 0
    downloaded = chromium.download("download", tmp_path)
    [cells] = csv.DictReader(io.StringIO(downloaded.read_text("utf-8-sig"), newline=""))
    assert cells["title"] == f"'={HOSTILE}"
    assert [label.uid for label in checked(downloaded)] == ["=P2"]
    assert not chromium.console


@needs_chromium
def test_without_labels_the_page_downloads_the_drawn_file(chromium: Browser, file: Path, tmp_path: Path) -> None:
    rows = ROWS[::-1]
    file.write_text(page.render(rows, worksheet.write(rows)), encoding="utf-8")
    chromium.open(file)
    downloaded = chromium.download("download", tmp_path)
    assert downloaded.read_bytes() == worksheet.write(rows)
