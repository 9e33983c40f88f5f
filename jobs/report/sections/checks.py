"""The section on the matcher: how well the checks tell right texts from wrong ones, measured on products that it has not seen."""

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.quality.pair_kind import PairKind
from jobs.report.charts import Line, line_chart
from jobs.report.document import Block, Cell, Chart, Charts, Section, Table, Text
from jobs.report.history import History
from jobs.report.wording import count, percent

KINDS = {
    PairKind.OWN: "The seller's own text",
    PairKind.NEAREST: "The text of the nearest other product",
    PairKind.NEAR: "The same, if that product is not among the neighbours",
    PairKind.RANDOM: "The text of a random product",
    PairKind.BEGINNING: "Its first words, which are vague",
    PairKind.EXCHANGED: "The seller's own text, one fact exchanged",
    PairKind.REPLACED: "The seller's own text, words of its title replaced by a random product's",
    PairKind.BESIDE: "The seller's own text, and then an alternative of a fact that it states",
    PairKind.GUESSED: "The seller's own text, an attribute that its title lacks exchanged",
    PairKind.ADDED: "The seller's own text and a sentence of a random product's text",
    PairKind.ECHOED: "The title, and then the text of a random product",
    PairKind.CUT: "The seller's own text, some words in its middle left out",
}
REASONS = ("off-title", "contradicts", "invented", "unsupported", "wording", "unfinished", "either")
"""A matcher of an earlier version has none of `invented`, `unsupported`, `wording` and `unfinished`."""
NOT_CALIBRATED = (
    "Nothing was calibrated: the batch was checked without a matcher, or the catalogue has too few products to learn one. The texts "
    "were compared with their titles word by word, which misses wrong facts."
)
REPLACED = (
    "The matcher that the batch was checked with has been made again since, and its figures with it. `skuscribe describe --replace` "
    "checks the batch with the new one."
)
WEAK_AUC = 0.7
MIN_BIN_TEXTS = 10
"""With fewer texts, the share of a bin says nothing about the probability."""


def section(history: History) -> Section | None:
    """Return the section, or None if no batch is reported on."""
    if history.batch_figures is None:
        return None
    scores = history.matcher_scores
    if not scores:
        return Section("checks", "The checks", [Text(REPLACED if history.matcher_replaced else NOT_CALIBRATED)])
    blocks: list[Block] = [Text(_introduction(scores)), _table(scores)]
    drawn = (_reliability(scores["reliability"]), _roc(scores["roc"]), _coverage(scores["coverage"]))
    charts = [chart for chart in drawn if chart is not None]
    return Section("checks", "The checks", [*blocks, Charts(charts)] if charts else blocks)


def _introduction(scores: Mapping[str, Any]) -> str:
    auc = scores["auc"].get("nearest")
    text = (
        "The matcher learnt from this catalogue which texts fit which titles. It is measured on held-out products: their sellers' texts "
        "should be published, all others held back. A seller knows more than a title says: own texts with numbers or attributes that "
        "neither the title nor enough of the nearest products have are held back as invented, because a model can only guess these."
    )
    if auc is not None and auc < WEAK_AUC:
        text += (
            f" It can hardly tell a seller's text from that of the nearest other product (area under the ROC curve {auc:.2f}): don't "
            "publish without people's labels (`skuscribe audit`), and try another `--encoder` for this language."
        )
    return text


def _table(scores: Mapping[str, Any]) -> Table:
    rows = [
        [
            Cell(label),
            Cell(count(scores["texts"][kind])),
            *(Cell(_percent(scores["flagged"][kind].get(reason))) for reason in REASONS),
            Cell(f"{scores['auc'][kind]:.3f}" if kind in scores["auc"] else ""),
        ]
        for kind, label in KINDS.items()
        if kind in scores["texts"]  # a matcher of an earlier version has fewer
    ]
    caption = "Texts held back, by what they are. AUC: probability that the seller's own text scores above one of this kind; 0.5 is chance."
    return Table(
        caption,
        ["", "Texts", "Off title", "Contradicts", "Invented", "Support", "Wording", "Unfinished", "Any", "AUC"],
        rows,
    )


def _percent(share: float | None) -> str:
    return "" if share is None else percent(share)


def _reliability(rows: Sequence[Mapping[str, float]]) -> Chart | None:
    rows = [row for row in rows if row["texts"] >= MIN_BIN_TEXTS]
    if not rows:
        return None
    x = [100 * row["probability"] for row in rows]
    lines = [
        Line("measured", x, [row["own"] for row in rows], "blue"),
        Line("exact", [0, 100], [0, 1], "grey", dashed=True),
    ]
    svg = line_chart(
        "reliability",
        "Share of own texts by probability",
        "Probability of the matcher, per cent",
        "Own texts",
        lines,
        share=True,
    )
    caption = (
        "Of texts with this probability, the share that is the seller's own, among as many own as hard wrong texts. "
        f"Bins of fewer than {MIN_BIN_TEXTS} texts are left out."
    )
    return Chart("Reliability of the probability", caption, svg)


def _roc(points: Sequence[Sequence[float]]) -> Chart | None:
    if not points:
        return None
    lines = [
        Line("measured", [100 * nearest for nearest, _ in points], [own for _, own in points], "blue"),
        Line("chance", [0, 100], [0, 1], "grey", dashed=True),
    ]
    svg = line_chart(
        "roc",
        "Share of own texts published by share of wrong texts published",
        "Texts of the nearest other product published, per cent",
        "Own texts published",
        lines,
        share=True,
    )
    caption = "Each threshold publishes some of the sellers' own texts and some of the wrong ones: the nearer to the top left, the better."
    return Chart("Own against nearest other texts (ROC)", caption, svg)


def _coverage(rows: Sequence[Mapping[str, float]]) -> Chart | None:
    if not rows:
        return None
    line = Line("wrong", [100 * row["published"] for row in rows], [row["wrong"] for row in rows], "orange")
    svg = line_chart(
        "coverage",
        "Share of wrong texts by share published",
        "Published, per cent",
        "Wrong among the published",
        [line],
        share=True,
    )
    caption = (
        "A batch of as many own texts as texts of the nearest other product: the higher --publish-from, the fewer are published, and "
        "the fewer of those are wrong."
    )
    return Chart("Risk against coverage", caption, svg)
