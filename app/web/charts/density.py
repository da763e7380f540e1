"""How dense the features of a dictionary are: a histogram over the logarithm of density.

Takes densities, gives a chart and what a brush over it needs. Edges are round numbers, so that a
range written in an address holds exactly the features of its bars. Knows no database.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.web.charts.plot import Chart, Link, Mark, column, from_top, percent
from app.web.charts.scales import Tick, linear_ticks, log_height, log_ticks

BINS_PER_DECADE = 8


@dataclass(frozen=True)
class DensityBrush:
    """What a script needs to brush the histogram; places count bins from the left."""

    edges: list[str]
    """the edges as addresses write them"""
    counts: list[int]
    """features in each bin that the other filters keep"""
    low: float
    """where the range begins, 0 where it is open"""
    high: float
    is_set: bool


@dataclass(frozen=True)
class DensityChart:
    """The histogram and its brush."""

    chart: Chart
    brush: DensityBrush


def edge_texts(smallest: float | None) -> list[str]:
    """Edges an eighth of a power of ten apart, as percentages in three significant digits, from
    the decade below the smallest density up to 100%."""
    lowest = math.ceil(math.log10(smallest)) - 1 if smallest else -1
    return [
        f"{_plain_number(100 * 10 ** (lowest + i / BINS_PER_DECADE))}%"
        for i in range(-lowest * BINS_PER_DECADE + 1)
    ]


def edge_values(texts: Sequence[str]) -> list[float]:
    """The same as shares, exactly as a range filter reads them."""
    return [float(text.removesuffix("%")) / 100 for text in texts]


def count_between(densities: Float[ndarray, " n"], edges: Sequence[float]) -> list[int]:
    """Features in each (edges[i], edges[i+1]]."""
    places = np.searchsorted(np.asarray(edges), densities, "left") - 1
    inside = places[(places >= 0) & (places < len(edges) - 1)]
    return np.bincount(inside, minlength=len(edges) - 1).tolist()


def density_chart(
    texts: Sequence[str],
    counts: Sequence[int],
    matching: Sequence[int] | None,
    scale: Literal["linear", "log"],
    kept: tuple[float | None, float | None],
    link: Callable[[str, str], str],
) -> DensityChart:
    """The histogram; bins wholly or partly inside `kept` are dark.

    Args:
        texts: the edges, n + 1 of them.
        counts: all living features in each of n bins.
        matching: those that filters of other columns keep, drawn over the pale bars of all; None
            where there are no such filters.
        link: gives the address that keeps the features of one bin.
    """
    brush = _brush(texts, counts if matching is None else matching, kept)
    largest = max(counts, default=0)

    def bar(i: int, count: int, css: str) -> Mark:
        tall = log_height(count, largest) if scale == "log" else 100 * count / max(largest, 1)
        return column(i, len(counts), tall, css, "")

    marks: list[Mark] = []
    if matching is not None:
        marks += [bar(i, count, "mark-all") for i, count in enumerate(counts) if count]
    links: list[Link] = []
    for i, (low, high) in enumerate(pairwise(texts)):
        if n := brush.counts[i]:
            inside = brush.is_set and brush.low < i + 1 and i < brush.high
            marks.append(bar(i, n, "mark-strong" if inside else "mark"))
            label = f"{low} – {high}: {_n_features(n, None if matching is None else counts[i])}"
            alone = brush.is_set and (brush.low, brush.high) == (i, i + 1)
            x, width = percent(100 * i / len(counts)), percent(100 / len(counts))
            links.append(Link(x, width, label, link(low, high), alone))
    y_ticks = log_ticks(largest) if scale == "log" else linear_ticks(0, max(largest, 1), 3)
    chart = Chart(
        "density-chart",
        f"Histogram of density, {scale} counts",
        "density (share of tokens, log scale)",
        "features",
        _decades(len(counts)),
        from_top(y_ticks),
        marks,
        links=links,
        brush=_brush_mark(brush, len(counts)) if brush.is_set else None,
    )
    return DensityChart(chart, brush)


def decade_label(exponent: int) -> str:
    """10^exponent as a percentage: −3 → 0.1%."""
    return f"{10.0 ** (exponent + 2):.{max(0, -exponent - 2)}f}%"


def _brush(
    texts: Sequence[str], counts: Sequence[int], kept: tuple[float | None, float | None]
) -> DensityBrush:
    edges, (low, high) = edge_values(texts), kept
    left = 0.0 if low is None else _place(low, edges)
    right = float(len(counts)) if high is None else _place(high, edges)
    return DensityBrush(list(texts), list(counts), left, right, kept != (None, None))


def _place(density: float, edges: Sequence[float]) -> float:
    """Where a density lies, in bins from the left and inside the chart; whole on an edge."""
    logs = [math.log(edge) for edge in edges]
    place = float(np.interp(math.log(max(density, edges[0])), logs, range(len(edges))))
    return round(place, 3)


def _brush_mark(brush: DensityBrush, n_bins: int) -> Mark:
    left, width = brush.low / n_bins, (brush.high - brush.low) / n_bins
    return Mark(percent(100 * left), "0%", percent(100 * width), "100%", "brush", "")


def _n_features(n: int, of: int | None) -> str:
    many = f"{n:,}" if of is None else f"{n:,} of {of:,}"
    return f"{many} feature{'' if (n if of is None else of) == 1 else 's'}"


def _decades(n_bins: int) -> list[Tick]:
    lowest = -n_bins // BINS_PER_DECADE
    return [Tick(100 * i / -lowest, decade_label(lowest + i)) for i in range(-lowest + 1)]


def _plain_number(value: float) -> str:
    """Three significant digits, never in scientific notation: 0.00133, 1.33, 100."""
    digits = max(0, 2 - math.floor(math.log10(value) + 1e-9))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
