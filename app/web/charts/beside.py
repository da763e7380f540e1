"""A histogram of shares beside what chance would give: bars, and outlines over the same bins.

Takes edges and counts of several populations of different size; gives a chart, its numbers, and
what a brush over it needs. Knows no feature.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.web import text
from app.web.charts.density import count_between
from app.web.charts.plot import Chart, Link, Mark, Polyline, column, from_top, percent
from app.web.charts.scales import Tick, linear_ticks, number_label, round_step

Values = Float[ndarray, " _n"]
Kept = tuple[float | None, float | None]

LINES = ("line-chance", "line-chance-second")
"""Classes of the outlines, in order."""


@dataclass(frozen=True)
class Population:
    """Values of one kind."""

    name: str
    values: Values
    """those that are NaN are left out"""


@dataclass(frozen=True)
class NumbersRow:
    """One bin of the table beside the chart."""

    name: str
    shares: list[str]


@dataclass(frozen=True)
class RangeBrush:
    """What a script needs to brush the histogram; places count bins from the left."""

    edges: list[str]
    """the edges as addresses write them"""
    counts: list[int]
    low: float
    high: float
    is_set: bool


@dataclass(frozen=True)
class Beside:
    """The chart, the same as a table, and its brush."""

    chart: Chart
    names: list[str]
    """of the populations, the bars first"""
    rows: list[NumbersRow]
    """bins that hold anything"""
    brush: RangeBrush


def edges_of(populations: Sequence[Population], n_bins: int = 25) -> list[str]:
    """Round edges around all values, as an address writes them, at least `n_bins` bins over their
    span and at most about twice as many."""
    known = np.concatenate([p.values[np.isfinite(p.values)] for p in populations])
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    step = round_step(max(high - low, 1e-6), n_bins)
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) + 1
    return [_plain(i * step, digits) for i in range(first, last + 1)]


def beside(
    bars: Population,
    lines: Sequence[Population],
    edges: Sequence[str],
    *,
    kind: str,
    label: str,
    x_name: str,
    y_name: str,
    noun: str,
    kept: Kept = (None, None),
    link: Callable[[str, str], str] | None = None,
    note: str = "",
) -> Beside:
    """Shares of each population in each bin (edge, next edge]; values on the first edge are in
    the first bin.

    Args:
        noun: what the bars count, in the plural.
        kept: the range chosen; its bins are dark.
        link: gives the address that keeps one bin; without it bars are no links.
    """
    places = [float(edge) for edge in edges]
    counts = [_counted(population.values, places) for population in (bars, *lines)]
    shares = [np.array(each) / max(sum(each), 1) for each in counts]
    top = 1.05 * max((float(each.max()) for each in shares if each.size), default=1.0) or 1.0
    brush = _brush(edges, places, counts[0], kept)
    marks, links = list[Mark](), list[Link]()
    for i, (low, high) in enumerate(pairwise(edges)):
        n = counts[0][i]
        if not n:
            continue
        inside = brush.is_set and brush.low < i + 1 and i < brush.high
        said = f"{_minus(low)} – {_minus(high)}: {n:,} {noun} ({text.percent(float(shares[0][i]))})"
        height = 100 * float(shares[0][i]) / top
        css = "mark-strong" if inside else "mark"
        marks.append(column(i, len(places) - 1, height, css, "" if link else said))
        if link:
            at, width = percent(100 * i / (len(places) - 1)), percent(100 / (len(places) - 1))
            alone = brush.is_set and (brush.low, brush.high) == (i, i + 1)
            links.append(Link(at, width, said, link(low, high), alone))
    chart = Chart(
        kind, label, x_name, y_name,
        _ticks(places), from_top(_share_ticks(top)), marks,
        lines=[
            Polyline(_outline(share, top), css, population.name)
            for population, share, css in zip(lines, shares[1:], LINES, strict=False)
        ],
        links=links,
        brush=_brush_mark(brush) if brush.is_set and link else None,
        note=note,
    )  # fmt: skip
    return Beside(chart, [bars.name, *(each.name for each in lines)], _rows(edges, shares), brush)


def _counted(values: Values, places: Sequence[float]) -> list[int]:
    known = values[np.isfinite(values)].astype(np.float64)
    counts = count_between(known, places)
    counts[0] += int((known == places[0]).sum())
    return counts


def _rows(edges: Sequence[str], shares: Sequence[ndarray]) -> list[NumbersRow]:
    return [
        NumbersRow(
            f"{_minus(low)} – {_minus(high)}", [text.percent(float(each[i])) for each in shares]
        )
        for i, (low, high) in enumerate(pairwise(edges))
        if any(each[i] for each in shares)
    ]


def _outline(shares: ndarray, top: float) -> str:
    """Steps over the bins in a space of 100 × 100, from the first bin that holds anything to the
    last."""
    held = np.flatnonzero(shares)
    if not held.size:
        return ""
    first, last, n = int(held[0]), int(held[-1]), shares.size
    points = [f"{100 * first / n:.4g},100"]
    for i in range(first, last + 1):
        y = 100 - 100 * float(shares[i]) / top
        points += [f"{100 * k / n:.4g},{y:.4g}" for k in (i, i + 1)]
    return " ".join([*points, f"{100 * (last + 1) / n:.4g},100"])


def _brush(
    edges: Sequence[str], places: Sequence[float], counts: list[int], kept: Kept
) -> RangeBrush:
    low, high = kept
    bins = range(len(places))
    left = 0.0 if low is None else round(float(np.interp(low, places, bins)), 3)
    right = float(len(counts)) if high is None else round(float(np.interp(high, places, bins)), 3)
    return RangeBrush(list(edges), counts, left, right, kept != (None, None))


def _brush_mark(brush: RangeBrush) -> Mark:
    n = len(brush.counts)
    width = percent(100 * (brush.high - brush.low) / n)
    return Mark(percent(100 * brush.low / n), "0%", width, "100%", "brush", "")


def _ticks(places: Sequence[float]) -> list[Tick]:
    return linear_ticks(places[0], places[-1], 5)


def _share_ticks(top: float) -> list[Tick]:
    step = round_step(100 * top, 3)
    return [
        Tick(tick.at, f"{number_label(float(tick.at) * top, step)}%")
        for tick in linear_ticks(0, 100 * top, 3)
    ]


def _plain(value: float, digits: int) -> str:
    shown = f"{value:.{digits}f}"
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return "0" if shown == "-0" else shown


def _minus(edge: str) -> str:
    return edge.replace("-", "−")
