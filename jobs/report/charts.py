"""Line charts as SVG. The same figures give the same bytes.

Charts are drawn in the colours of `PAPER` and used unchanged in the PDF. For the page, `on_page()` replaces the colours by
CSS variables, so that a chart follows the light or dark theme. The colours are those of Okabe and Ito, which colour-blind
readers can distinguish; lines also differ in dash and marker.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

PAPER = {
    "ink": "#1b2330",
    "muted": "#5b6675",
    "grid": "#dfe3e8",
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#009e73",
    "purple": "#a65c8a",
    "grey": "#7c8794",
}
SIZE_INCHES = (4.7, 2.9)
WHOLE_STEPS = [1, 2, 5, 10]
"""The allowed distances between ticks. Labels in per cent have no decimals: a distance of 2.5 % would read 0, 2, 5, 8, 10 %."""
MARKED_POINTS = 27  # with more, markers hide the line


@dataclass(frozen=True)
class Line:
    """A series of points; a point whose y is None is left out.

    `low` and `high` are drawn as a band around the line, or as bars if the points are not `joined`.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    colour: str
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    dashed: bool = False
    joined: bool = True
    marker: str = "o"


@dataclass(frozen=True)
class Level:
    """A horizontal line: a baseline."""

    label: str
    y: float
    colour: str = "grey"


def line_chart(
    name: str,
    description: str,
    x_label: str,
    y_label: str,
    lines: Sequence[Line],
    levels: Sequence[Level] = (),
    share: bool = False,
) -> str:
    """Return a chart as an SVG element.

    `name` must be unique on the page; it prefixes every id. `description` is the text for screen readers. With `share`, y is a
    share from 0 to 1 and its axis is labelled in per cent.
    """
    with rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": name,
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans"],
            "font.size": 8.0,
        }
    ):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained", facecolor="none", edgecolor="none")
        canvas = FigureCanvasSVG(figure)
        axes = figure.add_subplot(facecolor="none")
        for line in lines:
            _draw(axes, line)
        for level in levels:
            axes.axhline(level.y, color=PAPER[level.colour], linewidth=1.2, linestyle=(0, (1, 2)), label=level.label)
        _style(axes, x_label, y_label)
        places = {x for line in lines for x in line.x}
        if len(places) == 1:  # matplotlib would label fractions of the only number
            [place] = places
            axes.set_xlim(place - 1, place + 1)
        if share:
            highest = min(max(axes.get_ylim()[1], 0.1), 1.04)
            axes.set_ylim(-0.02 * highest, highest)  # a larger margin below 0 would have a tick: no share is negative
            axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=WHOLE_STEPS))
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        out = io.StringIO()
        # Drawing computes the layout. savefig() would draw the figure twice, the first time for the layout alone.
        canvas.print_svg(out, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    return _svg_element(out.getvalue(), name, description)


def on_page(svg: str) -> str:
    """Return a chart with the CSS variables of the page in place of its colours and font."""
    for name, colour in PAPER.items():
        svg = svg.replace(colour, f"var(--{name})")
    return re.sub(r"'DejaVu Sans'(, [^;\"]*)?", "var(--font)", svg)


def _draw(axes: Axes, line: Line) -> None:
    points = [index for index, value in enumerate(line.y) if value is not None]
    x = [line.x[index] for index in points]
    y = [line.y[index] for index in points]
    colour = PAPER[line.colour]
    axes.plot(
        x,
        y,  # type: ignore[arg-type]  # points without a value are removed above
        label=line.label,
        color=colour,
        linewidth=1.1 if line.dashed else 1.8,
        linestyle=_stroke(line),
        marker=line.marker if len(points) <= MARKED_POINTS or not line.joined else "",
        markersize=3.0 if line.dashed else 4.0,
        zorder=2 if line.dashed else 3,
    )
    low, high = ([side[index] for index in points] if side else [] for side in (line.low, line.high))
    if low and line.joined and len(points) > 1:
        axes.fill_between(x, low, high, color=colour, alpha=0.16, lw=0)  # type: ignore[arg-type]  # no None, as above
    elif low:
        axes.vlines(x, low, high, color=colour, linewidth=1.4)  # type: ignore[arg-type]


def _stroke(line: Line) -> tuple[int, tuple[int, int]] | str:
    if not line.joined:
        return "none"
    return (0, (4, 2)) if line.dashed else "-"


def _style(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(x_label, color=PAPER["muted"])
    axes.set_ylabel(y_label, color=PAPER["muted"])
    axes.tick_params(colors=PAPER["muted"], length=0, labelcolor=PAPER["muted"])
    axes.grid(axis="y", color=PAPER["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, steps=WHOLE_STEPS))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(PAPER["grid"])
    axes.margins(x=0.04, y=0.12)
    legend = axes.figure.legend(
        loc="outside upper left", ncols=2, frameon=False, handlelength=2.2, columnspacing=1.4, borderpad=0.0
    )
    for text in legend.get_texts():
        text.set_color(PAPER["ink"])


def _svg_element(svg: str, name: str, description: str) -> str:
    """Return the <svg> element only, with ids that are unique on the page and a label for screen readers."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="', f' id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\1{name}-", svg)
    svg = re.sub(r'^(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'^(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(description, quote=True)}"', 1)
