"""Histograms of several features over one axis, as outlines: each by its own line, not by colour.

Takes bins of different width, gives SVG geometry. On the absolute axis heights are densities, so
that histograms with wide and with narrow bins enclose equal areas. Knows no feature.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.web.charts.plot import Chart, Polyline, from_top
from app.web.charts.scales import Tick, linear_ticks

Axis = Literal["share", "absolute"]

N_LINES = 4
"""different lines the style sheet has"""


@dataclass(frozen=True)
class Outline:
    """One histogram: equal bins from 0 to `maximum`."""

    name: str
    counts: Sequence[int]
    maximum: float


def overlay(outlines: Sequence[Outline], axis: Axis, scale: Literal["linear", "log"]) -> Chart:
    """Shares of each one's own firings; a bin as wide as the widest maximum's holds a share."""
    longest = max((item.maximum for item in outlines), default=1.0)
    heights = [_heights(item, longest if axis == "absolute" else item.maximum) for item in outlines]
    known = [value for line in heights for value in line if value > 0]
    top, least = max(known, default=1.0), min(known, default=0.1)
    low = math.floor(math.log10(least)) if scale == "log" else 0.0
    high = max(math.ceil(math.log10(top)), low + 1) if scale == "log" else top * 1.05
    lines = [
        Polyline(
            _steps(line, 1.0 if axis == "share" else item.maximum / longest, scale, low, high),
            f"series-{i + 1}",
            item.name,
        )
        for i, (item, line) in enumerate(zip(outlines, heights, strict=True))
    ]
    return Chart(
        "overlay",
        "Activation histograms over one axis",
        "share of its own maximum" if axis == "share" else "activation",
        "share of firings",
        _x_ticks(axis, longest),
        from_top(_y_ticks(scale, low, high)),
        lines=lines,
        note=_note(outlines, axis, longest),
    )


def _heights(item: Outline, span: float) -> list[float]:
    """Share of the firings in a stretch as wide as a bin of a histogram over `span`."""
    total = max(sum(item.counts), 1)
    stretch = span / item.maximum if item.maximum > 0 else 1.0
    return [count / total * stretch for count in item.counts]


def _steps(heights: Sequence[float], width: float, scale: str, low: float, high: float) -> str:
    """The outline in a space of 100 × 100, over the first `width` of it."""
    n = max(len(heights), 1)
    points = ["0,100"]
    for i, value in enumerate(heights):
        height = value if scale == "linear" else math.log10(value) if value > 0 else low
        y = 100 * (high - height) / (high - low)
        points += [f"{100 * width * k / n:.4g},{y:.4g}" for k in (i, i + 1)]
    return " ".join([*points, f"{100 * width:.4g},100"])


def _x_ticks(axis: Axis, longest: float) -> list[Tick]:
    if axis == "share":
        return [Tick(at, f"{at}%") for at in (0, 25, 50, 75, 100)]
    inner = [tick for tick in linear_ticks(0, longest, 4) if tick.at <= 90]
    return [*inner, Tick(100.0, f"{longest:.3g}")]


def _y_ticks(scale: str, low: float, high: float) -> list[Tick]:
    if scale == "linear":
        return [Tick(tick.at, f"{tick.label}%") for tick in linear_ticks(0, 100 * high, 4)]
    return [
        Tick(100 * (k - low) / (high - low), f"{100 * 10.0**k:g}%")
        for k in range(int(low), int(high) + 1)
    ]


def _note(outlines: Sequence[Outline], axis: Axis, longest: float) -> str:
    n = max((len(item.counts) for item in outlines), default=50)
    if axis == "share":
        return (
            f"Each line is one feature's firings over {n} bins of its own range: shapes can be "
            "compared, sizes can't."
        )
    return (
        f"Heights are shares of a feature's own firings per {longest / n:.3g} of activation, so "
        "that every line encloses the same area."
    )
