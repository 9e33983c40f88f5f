"""Charts: the same figures give the same SVG, which can be embedded in a page."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.report.charts import PAPER, Level, Line, line_chart, on_page

LINE = Line("ours", [0, 1, 2], [0.1, 0.2, 0.3], "blue", [0.05, 0.1, 0.2], [0.2, 0.3, 0.4])


def draw(*lines: Line, name: str = "quality", description: str = "It rises.", levels: tuple[Level, ...] = ()) -> str:
    return line_chart(name, description, "shards trained", "ROUGE-L", lines, levels)


def test_the_same_figures_give_the_same_bytes() -> None:
    assert draw(LINE) == draw(LINE)


def test_different_figures_give_a_different_chart() -> None:
    assert draw(LINE) != draw(Line("ours", [0, 1, 2], [0.1, 0.2, 0.31], "blue"))


def test_a_chart_has_no_date_and_loads_nothing() -> None:
    svg = draw(LINE)
    assert "<metadata" not in svg
    assert not re.search(r'(href|src)="(?!#)', svg)
    assert not re.search(r"url\((?!#)", svg)


def test_two_charts_on_one_page_share_no_id() -> None:
    ids = [set(re.findall(r' id="([^"]+)"', draw(LINE, name=name))) for name in ("first", "second")]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_every_reference_within_a_chart_has_a_target() -> None:
    svg = draw(LINE)
    targets = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    assert targets
    assert targets <= set(re.findall(r' id="([^"]+)"', svg))


def test_a_chart_has_a_label_for_screen_readers() -> None:
    root = ElementTree.fromstring(draw(LINE, description='From "a" to <b> & on.'))
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'From "a" to <b> & on.'


def test_labels_are_not_interpreted_as_markup() -> None:
    root = ElementTree.fromstring(draw(Line("<script>alert(1)</script>", [0, 1], [1, 2], "blue")))
    assert not [item for item in root.iter() if item.tag.endswith("script")]


def test_on_a_page_the_colours_are_those_of_the_theme() -> None:
    svg = on_page(draw(LINE, levels=(Level("baseline", 0.15),)))
    assert "var(--blue)" in svg
    assert "var(--grey)" in svg
    assert not [colour for colour in PAPER.values() if colour in svg]
    assert "DejaVu" not in svg


def test_a_point_without_a_value_is_left_out() -> None:
    complete = draw(Line("reference", [0, 1, 2], [0.1, 0.2, 0.3], "grey", dashed=True))
    incomplete = draw(Line("reference", [0, 1, 2], [0.1, None, 0.3], "grey", dashed=True))
    assert complete.count("<use") - incomplete.count("<use") == 1  # one marker less, on the same axes


def test_a_single_point_and_separate_points_are_drawn() -> None:
    single = Line("single", [0], [0.1], "blue", [0.05], [0.2])
    separate = Line("separate", [0, 3], [0.1, 0.2], "orange", [0.05, 0.1], [0.2, 0.3], joined=False)
    ElementTree.fromstring(draw(single, separate))


@pytest.mark.parametrize("highest", [0, 0.03, 0.08, 0.1, 0.13, 0.24, 0.4, 0.7, 1.0])
def test_the_labels_of_an_axis_in_per_cent_begin_at_0_and_are_as_far_apart_as_their_ticks(highest: float) -> None:
    line = Line("ours", [0, 1], [0, highest], "blue")
    svg = line_chart("flagged", "It rises.", "shards trained", "Flagged", [line], share=True)
    labels = [int(label.replace("\N{MINUS SIGN}", "-")) for label in re.findall(r">(.?\d+) %</text>", svg)]
    assert min(labels) == 0
    assert len(labels) > 2
    assert len({after - before for before, after in pairwise(labels)}) == 1


@settings(max_examples=5, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=70))
def test_any_figures_give_well_formed_xml(values: list[float]) -> None:
    ElementTree.fromstring(draw(Line("ours", list(range(len(values))), values, "blue", values, values)))


def test_a_chart_of_one_point_has_whole_numbers_on_its_axis() -> None:
    svg = draw(Line("ours", [1], [0.5], "blue"))
    assert {"0", "1", "2"} <= set(re.findall(r">(\d[\d.]*)<", svg))
    assert not re.findall(r">0\.9\d<|>1\.0\d<", svg)
