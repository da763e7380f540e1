"""A chart as the server draws it: the inside of its SVG, and the links over its bars.

Places are percentages of the plot and texts have their own size, so that a drawing can be laid out
at any width. What a page holds hundreds of is joined here to one piece of markup. Takes a Chart,
escapes every text; class names are the style sheet's (charts.css). Knows no feature.
"""

from collections.abc import Sequence

from markupsafe import Markup, escape

from app.web.charts.plot import Chart, Dot, Link, Mark, Polyline
from app.web.markup import attribute

_PLOT = '<svg viewBox="0 0 100 100" preserveAspectRatio=none>'
"""The plot area as a space of 100 × 100"""


def drawing(chart: Chart) -> Markup:
    """From back to front: grid, marks, lines, axis, names."""
    return Markup(
        "".join(
            [
                _grid(chart),
                "<g class=marks>",
                _joined(chart.joined),
                *map(_mark, chart.separate),
                "</g>",
                _shapes("polygon", chart.areas),
                _shapes("polyline", chart.lines),
                _axes(chart),
                *map(_dot, chart.dots),
            ]
        )
    )


def link_areas(links: Sequence[Link]) -> Markup:
    """The stretches of the plot that lead somewhere, each with its words."""
    return Markup(
        "\n".join(
            [
                f'<a href="{escape(link.href)}"{" aria-current=true" if link.current else ""}>'
                f"<rect x={link.x} width={link.width}><title>{escape(link.label)}</title></rect>"
                "</a>"
                for link in links
            ]
        )
    )


def _grid(chart: Chart) -> str:
    """Lines across the plot and, left of it, what they stand for."""
    lines = "".join([f"M0 {tick.at:.5g}H100" for tick in chart.y_ticks])
    labels = "".join(
        [f"<text y={tick.at:.5g}%>{escape(tick.label)}</text>" for tick in chart.y_ticks]
    )
    return f'{_PLOT}<path class=grid d="{lines}"/></svg><g class=y-scale>{labels}</g>'


def _joined(paths: Sequence[tuple[str, str]]) -> str:
    if not paths:
        return ""
    drawn = "".join([f'<path{attribute("class", css)} d="{path}"/>' for css, path in paths])
    return f"{_PLOT}{drawn}</svg>"


def _mark(mark: Mark) -> str:
    title = f"<title>{escape(mark.label)}</title>" if mark.label else ""
    return (
        f"<rect{attribute('class', mark.css)} x={mark.x} y={mark.y} width={mark.width} "
        f"height={mark.height}>{title}</rect>"
    )


def _dot(dot: Dot) -> str:
    """A circle of a size that the style sheet may change, its name to the right of it."""
    step = "" if dot.step is None else f" data-of-step={dot.step}"
    place = f'x="{dot.x}" y="{dot.y}" dx=8 dy=".34em"'
    name = f"<text class=dot-name {place}>{escape(dot.name)}</text>" if dot.name else ""
    return (
        f'<circle{attribute("class", dot.css)} cx="{dot.x}" cy="{dot.y}" r=3.5{step}>'
        f"<title>{escape(dot.label)}</title></circle>{name}"
    )


def _shapes(kind: str, shapes: Sequence[Polyline]) -> str:
    if not shapes:
        return ""
    drawn = "".join(
        [f'<{kind}{attribute("class", item.css)} points="{item.points}"/>' for item in shapes]
    )
    return f"{_PLOT}{drawn}</svg>"


def _axes(chart: Chart) -> str:
    labels = "".join(
        [f"<text x={tick.at:.5g}%>{escape(tick.label)}</text>" for tick in chart.x_ticks]
    )
    name = f'<text class=axis-name x="50%" dy="2.7em">{escape(chart.x_name)}</text>'
    return (
        '<line class=axis x2="100%" y1="100%" y2="100%"/>'
        f'<svg class=x-scale y="100%">{labels}{name if chart.x_name else ""}</svg>'
        f"<text class=axis-name dx=-2.75rem dy=-.8em>{escape(chart.y_name)}</text>"
    )
