"""A chart of the page as a drawing: the same marks, lines and ticks at a fixed size.

Takes a Chart. Knows no feature.
"""

from app.web.charts.plot import Chart, Polyline
from app.web.figures import palette, svg
from app.web.figures.frame import Body

LEFT, TOP, BOTTOM = 52.0, 20.0, 40.0
_SIZE = 11.0


def draw_chart(chart: Chart, width: float = 560.0, height: float = 260.0) -> Body:
    """The chart; under it the names of its lines where it has any."""
    plot_width, plot_height = width - LEFT - 10, height - TOP - BOTTOM
    place = _Place(LEFT, TOP, plot_width, plot_height)
    shapes = [*_grid(chart, place)]
    for mark in chart.marks:
        x, y, w, h = (_percent(value) for value in (mark.x, mark.y, mark.width, mark.height))
        shapes.append(
            svg.rect(
                place.x(x), place.y(y), plot_width * w / 100, plot_height * h / 100,
                fill=palette.fill_of(mark.css, palette.LIGHT_BAR),
            )
        )  # fmt: skip
    for area in chart.areas:
        fill = palette.fill_of(area.css, palette.EFFECT["n1"])
        shapes.append(f'<polygon points="{place.points(area)}" fill="{fill}"/>')
    for line in chart.lines:
        shapes.append(
            f'<polyline points="{place.points(line)}" fill="none" stroke-linejoin="round"'
            f"{_stroke(line)}/>"
        )
    shapes += _axes(chart, place)
    total = height
    if chart.lines:
        shapes += _key(chart.lines, height + 12)
        total += 18
    return Body(width, total, shapes, chart.note)


class _Place:
    """From percent of the plot area to the drawing."""

    def __init__(self, left: float, top: float, width: float, height: float) -> None:
        self.left, self.top, self.width, self.height = left, top, width, height

    def x(self, percent: float) -> float:
        return self.left + self.width * percent / 100

    def y(self, percent: float) -> float:
        return self.top + self.height * percent / 100

    def points(self, line: Polyline) -> str:
        pairs = (point.split(",") for point in line.points.split())
        return " ".join(f"{self.x(float(x)):.2f},{self.y(float(y)):.2f}" for x, y in pairs)


def _grid(chart: Chart, place: _Place) -> list[str]:
    shapes = []
    for tick in chart.y_ticks:
        y = place.y(tick.at)
        shapes.append(svg.line(place.left, y, place.x(100), y, stroke=palette.RULE))
        shapes.append(
            svg.text(
                place.left - 6, y + 4, tick.label,
                text_anchor="end", font_size=_SIZE, fill=palette.INK_3,
            )
        )  # fmt: skip
    return shapes


def _axes(chart: Chart, place: _Place) -> list[str]:
    floor = place.y(100)
    shapes = [svg.line(place.left, floor, place.x(100), floor, stroke=palette.RULE_STRONG)]
    shapes += [
        svg.text(
            place.x(tick.at), floor + 15, tick.label,
            text_anchor="middle", font_size=_SIZE, fill=palette.INK_3,
        )
        for tick in chart.x_ticks
    ]  # fmt: skip
    shapes.append(
        svg.text(
            place.x(50), floor + 31, chart.x_name,
            text_anchor="middle", font_size=_SIZE, fill=palette.INK_2,
        )
    )  # fmt: skip
    shapes.append(svg.text(0, 10, chart.y_name, font_size=_SIZE, fill=palette.INK_2))
    return shapes


def _key(lines: list[Polyline], y: float) -> list[str]:
    shapes, x = [], LEFT
    for line in lines:
        shapes.append(
            f"<line{svg.attributes(x1=x, y1=y - 4, x2=x + 22, y2=y - 4)}{_stroke(line)}/>"
        )
        shapes.append(svg.text(x + 28, y, line.name, font_size=_SIZE, fill=palette.INK_3))
        x += 46 + len(line.name) * _SIZE * svg.SANS_WIDTH
    return shapes


def _stroke(line: Polyline) -> str:
    """Ink for the first line, dashes for the others: they must differ in print too."""
    dash = {"line-second": "4 3", "line-third": "1.5 3"}.get(line.css, "")
    colour = palette.INK_3 if dash else palette.INK
    return svg.attributes(stroke=colour, stroke_width=1.5 if dash else 1.75, stroke_dasharray=dash)


def _percent(value: str) -> float:
    return float(value.removesuffix("%"))
