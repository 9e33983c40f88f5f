"""The report shows what the checks are worth, and says when nothing was calibrated."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobs.quality.pair_kind import PairKind
from jobs.report.document import Chart, Charts, Table, Text
from jobs.report.history import CatalogueSummary, History
from jobs.report.sections import checks

SCORES: dict[str, Any] = {
    "texts": {"own": 100, "nearest": 100, "random": 100, "exchanged": 60},
    "flagged": {
        kind: {"off-title": share, "contradicts": 0.01, "either": share}
        for kind, share in {"own": 0.08, "nearest": 0.5, "random": 1.0, "exchanged": 0.9}.items()
    },
    "auc": {"nearest": 0.83, "random": 0.99, "exchanged": 0.96},
    "roc": [[1, 1], [0, 0]],
    "reliability": [{"texts": 50, "probability": 0.2, "own": 0.25}, {"texts": 50, "probability": 0.8, "own": 0.75}],
    "coverage": [
        {"publish_from": 0, "published": 1, "wrong": 0.5},
        {"publish_from": 0.9, "published": 0.4, "wrong": 0.1},
    ],
}


def test_every_kind_of_text_has_a_label() -> None:
    assert set(checks.KINDS) == set(PairKind)


def history(matcher_scores: Mapping[str, Any], batch: str = "b") -> History:
    summary = CatalogueSummary("c", 1, {}, {})
    figures = {"products": 1} if batch else None
    return History("r", {}, "m", {}, summary, (), (), batch, figures, {}, matcher_scores=matcher_scores)


def test_the_figures_of_the_matcher_are_shown() -> None:
    section = checks.section(history(SCORES))
    assert section is not None
    text, table, charts = section.blocks
    assert isinstance(text, Text)
    assert isinstance(table, Table)
    assert isinstance(charts, Charts)
    assert "can hardly tell" not in text.text
    assert table.columns == [
        "",
        "Texts",
        "Off title",
        "Contradicts",
        "Invented",
        "Support",
        "Wording",
        "Unfinished",
        "Any",
        "AUC",
    ]
    assert [row[8].text for row in table.rows] == ["8.0 %", "50 %", "100 %", "90 %"]
    assert [chart.title for chart in charts.charts] == [
        "Reliability of the probability", "Own against nearest other texts (ROC)", "Risk against coverage",
    ]  # fmt: skip


def test_a_matcher_of_an_earlier_version_has_no_figure_for_wording() -> None:
    flagged = {kind: {**shares, "wording": 0.04} for kind, shares in SCORES["flagged"].items()}
    for scores, text in ((SCORES, ""), ({**SCORES, "flagged": flagged}, "4.0 %")):
        section = checks.section(history(scores))
        assert section is not None
        assert isinstance(section.blocks[1], Table)
        assert {row[6].text for row in section.blocks[1].rows} == {text}


def test_bins_with_few_texts_are_not_drawn() -> None:
    few = {"texts": 9, "probability": 0.5, "own": 1.0}

    def reliability(rows: list[dict[str, float]]) -> list[Chart]:
        section = checks.section(history({**SCORES, "reliability": rows}))
        assert section is not None
        assert isinstance(section.blocks[2], Charts)
        return [chart for chart in section.blocks[2].charts if chart.title == "Reliability of the probability"]

    [chart] = reliability(SCORES["reliability"])
    assert "Bins of fewer than 10 texts are left out." in chart.caption
    assert reliability([*SCORES["reliability"], few]) == [chart]
    assert reliability([few]) == []


def test_a_matcher_of_an_earlier_version_has_fewer_kinds_of_texts() -> None:
    texts = {**SCORES["texts"], "near": 100}
    flagged = {**SCORES["flagged"], "near": SCORES["flagged"]["nearest"]}
    for scores, rows in ((SCORES, 4), ({**SCORES, "texts": texts, "flagged": flagged}, 5)):
        section = checks.section(history(scores))
        assert section is not None
        assert isinstance(section.blocks[1], Table)
        assert len(section.blocks[1].rows) == rows


def test_a_matcher_that_tells_nothing_apart_is_named() -> None:
    weak = {**SCORES, "auc": {**SCORES["auc"], "nearest": 0.55}}
    section = checks.section(history(weak))
    assert section is not None
    assert "0.55" in str(section.blocks[0])
    assert "--encoder" in str(section.blocks[0])


def test_a_batch_without_a_matcher_says_that_nothing_was_calibrated() -> None:
    section = checks.section(history({}))
    assert section is not None
    assert section.blocks == [Text(checks.NOT_CALIBRATED)]
    assert checks.section(history({}, batch="")) is None


def test_a_matcher_that_was_made_again_is_said_to_be() -> None:
    section = checks.section(replace(history({}), matcher_replaced=True))
    assert section is not None
    assert section.blocks == [Text(checks.REPLACED)]


def test_figures_without_a_text_of_another_product_have_no_curves() -> None:
    alone = {**SCORES, "auc": {}, "roc": [], "coverage": [], "reliability": []}
    section = checks.section(history(alone))
    assert section is not None
    assert not any(isinstance(block, Charts) for block in section.blocks)
    assert isinstance(section.blocks[1], Table)
