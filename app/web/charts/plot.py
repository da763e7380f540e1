"""The parts every drawn chart is made of, as the template draws them.

Every place is a percentage of the plot area; y counts from the top, as SVG does. Knows nothing of
what is plotted.
"""

from dataclasses import dataclass, field
from typing import Any

from app.web.charts.scales import Tick

Figure = dict[str, Any]
"""A Plotly figure as JSON values: {"data": […], "layout": {…}}"""


@dataclass(frozen=True)
class Mark:
    """One rectangle with what it says in words."""

    x: str
    y: str
    width: str
    height: str
    css: str
    label: str
    """shown on hover and read aloud; empty where a table beside the chart says it"""


@dataclass(frozen=True)
class Link:
    """A stretch of the plot, over its full height, that leads somewhere."""

    x: str
    width: str
    label: str
    href: str
    current: bool
    """whether it is what the page shows"""


@dataclass(frozen=True)
class Dot:
    """One round mark with what it says in words."""

    x: str
    y: str
    css: str
    label: str
    """shown on hover and read aloud"""
    name: str = ""
    """written beside it"""
    step: int | None = None
    """which of the page's steps it shows, for a script that goes through them"""


@dataclass(frozen=True)
class Polyline:
    """One line through the plot, in a space of 100 × 100."""

    points: str
    css: str
    name: str


@dataclass(frozen=True)
class Chart:
    """One chart: drawn by the server, replaced by Plotly where there is a figure."""

    kind: str
    """stem of its CSS class"""
    label: str
    """what the chart shows, for readers who can't see it"""
    x_name: str
    y_name: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    """`at` counts from the top here"""
    marks: list[Mark] = field(default_factory=list)
    lines: list[Polyline] = field(default_factory=list)
    figure: Figure | None = None
    note: str = ""
    """one sentence on how to read it"""
    links: list[Link] = field(default_factory=list)
    """areas over the plot that lead somewhere, one beside the other"""
    brush: Mark | None = None
    """the part of the plot that is chosen"""
    areas: list[Polyline] = field(default_factory=list)
    """closed shapes under the lines"""
    dots: list[Dot] = field(default_factory=list)
    """over everything else"""

    @property
    def separate(self) -> list[Mark]:
        """Marks that say something on hover."""
        return [mark for mark in self.marks if not self._is_plain(mark)]

    @property
    def joined(self) -> list[tuple[str, str]]:
        """All other marks as one path for each class, in a space of 100 × 100: a page holds
        hundreds of bars."""
        paths: dict[str, list[str]] = {}
        for mark in self.marks:
            if self._is_plain(mark):
                x, y, width = mark.x[:-1], mark.y[:-1], mark.width[:-1]
                paths.setdefault(mark.css, []).append(f"M{x} 100V{y}h{width}V100z")
        return [(css, "".join(found)) for css, found in paths.items()]

    def _is_plain(self, mark: Mark) -> bool:
        return not mark.label or bool(self.links)


def percent(value: float) -> str:
    """A place as SVG takes it, short enough for fifty bars."""
    return f"{value:.4g}%"


def from_top(ticks: list[Tick]) -> list[Tick]:
    """Ticks of a vertical axis, turned around."""
    return [Tick(100 - tick.at, tick.label) for tick in ticks]


def polyline(values: list[float | None], low: float, high: float, css: str, name: str) -> Polyline:
    """A line over equally spaced values; missing values are left out of it."""
    last = max(len(values) - 1, 1)
    points = " ".join(
        f"{100 * i / last:.4g},{100 - 100 * (value - low) / (high - low):.4g}"
        for i, value in enumerate(values)
        if value is not None
    )
    return Polyline(points, css, name)


def column(
    index: int, n_columns: int, height: float, css: str, label: str, gap: float = 0.1
) -> Mark:
    """Bar `index` of `n_columns` equal ones, `height` percent high; never invisibly low."""
    width = 100 / n_columns
    shown = max(height, 0.7) if height > 0 else 0.0
    return Mark(
        percent(index * width + width * gap / 2),
        percent(100 - shown),
        percent(width * (1 - gap)),
        percent(shown),
        css,
        label,
    )
