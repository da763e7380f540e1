"""How a number is distributed over tokens: a histogram on a linear or log axis, values marked.

Takes edges and counts of one population or of two, gives SVG geometry. A second population is an
outline, scaled to the width of the bars, so that both enclose equal areas. Knows no token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from app.web import text
from app.web.charts.axes import Axis, make_axis
from app.web.charts.plot import Chart, Mark, Polyline, from_top, percent
from app.web.charts.scales import Tick, linear_ticks, log_height, log_ticks

VALUE_LINES = ("line-value", "line-value-second")
"""Classes of the lines at values, in order."""


@dataclass(frozen=True)
class Bins:
    """A histogram: n + 1 borders, on a log axis equally many times as large."""

    name: str
    edges: Float[ndarray, " n_edges"]
    counts: Int[ndarray, " n_bins"]
    n: int
    """tokens in all, also those beyond the edges"""
    labels: Sequence[str] = ()
    """what each bin is called; empty for its borders"""


@dataclass(frozen=True)
class At:
    """A value to mark, and what it is called."""

    name: str
    value: float


def spread_chart(
    bars: Bins,
    *,
    kind: str,
    label: str,
    x_name: str,
    noun: str = "tokens",
    log: bool = False,
    log_counts: bool = False,
    outline: Bins | None = None,
    at: Sequence[At] = (),
    note: str = "",
) -> Chart:
    """One histogram; heights are shares, or counts on a log scale.

    Args:
        noun: what is counted, in the plural.
        log: the axis of values is logarithmic.
        log_counts: heights are logarithms of counts, so that a single one is seen; takes no
            outline.
        at: values marked by lines over the full height; those that are not finite are left out.
    """
    marked = [each for each in at if np.isfinite(each.value)]
    known = [bars.edges, *([] if outline is None else [outline.edges])]
    axis = make_axis(np.concatenate([*known, [each.value for each in marked]]), log=log)
    shares = bars.counts / max(bars.n, 1)
    drawn = None if outline is None else _scaled(outline, bars, log)
    heights_known = [each for each in (shares, drawn) if each is not None and each.size]
    top = 1.05 * max((float(each.max()) for each in heights_known), default=1.0)
    largest = int(bars.counts.max()) if bars.counts.size else 0
    heights = (
        [log_height(count, largest) for count in bars.counts.tolist()]
        if log_counts
        else (100 * shares / top).tolist()
    )
    lines = [] if outline is None or drawn is None else [_outline(outline, drawn, axis, top)]
    for each, css in zip(marked, VALUE_LINES, strict=False):
        place = 100 * float(axis.places(np.array([each.value]))[0])
        lines.append(Polyline(f"{place:.4g},0 {place:.4g},100", css, each.name))
    return Chart(
        kind,
        label,
        x_name,
        noun if log_counts else f"share of {noun}",
        axis.ticks,
        from_top(log_ticks(largest) if log_counts else _share_ticks(top)),
        _marks(bars, heights, axis, noun),
        lines=lines,
        note=note,
    )


def count_bins(name: str, counts: Int[ndarray, " most"], most: int = 60) -> Bins:
    """Of whole numbers 0, 1, 2 …, how often each was seen: joined to at most `most` bins."""
    width = -(-max(counts.size, 1) // most)
    n_bins = -(-counts.size // width)
    padded = np.zeros(n_bins * width, np.int64)
    padded[: counts.size] = counts
    firsts = range(0, n_bins * width, width)
    labels = [f"{i:,}" if width == 1 else f"{i:,} to {i + width - 1:,}" for i in firsts]
    joined = padded.reshape(n_bins, width).sum(axis=1)
    edges = np.arange(n_bins + 1) * width - 0.5
    return Bins(name, edges, joined, int(counts.sum()), labels)


def _marks(bars: Bins, heights: list[float], axis: Axis, noun: str) -> list[Mark]:
    places = (100 * axis.places(bars.edges)).tolist()
    marks = []
    for i, ((left, right), (low, high)) in enumerate(
        zip(pairwise(places), pairwise(bars.edges.tolist()), strict=True)
    ):
        n = int(bars.counts[i])
        if not n:
            continue
        shown = max(heights[i], 0.7)
        where = bars.labels[i] if bars.labels else f"{text.number(low)} – {text.number(high)}"
        said = f"{where}: {n:,} {noun} ({text.percent(n / bars.n)})"
        gap = 0.08 * (right - left)
        marks.append(
            Mark(
                percent(left + gap / 2), percent(100 - shown), percent(right - left - gap),
                percent(shown), "mark", said,
            )
        )  # fmt: skip
    return marks


def _scaled(outline: Bins, bars: Bins, log: bool) -> Float[ndarray, " n_bins"]:
    """Shares of the outline's tokens in a stretch as wide as a bar."""
    return outline.counts / max(outline.n, 1) * (_width(bars, log) / _width(outline, log))


def _width(bins: Bins, log: bool) -> float:
    if bins.edges.size < 2:
        return 1.0
    return float(np.log(bins.edges[1] / bins.edges[0]) if log else bins.edges[1] - bins.edges[0])


def _outline(outline: Bins, shares: Float[ndarray, " n_bins"], axis: Axis, top: float) -> Polyline:
    places = (100 * axis.places(outline.edges)).tolist()
    points = []
    for i, share in enumerate(shares.tolist()):
        points += [f"{place:.4g},{100 - 100 * share / top:.4g}" for place in places[i : i + 2]]
    ends = (f"{places[0]:.4g},100", f"{places[-1]:.4g},100") if places else ("", "")
    return Polyline(" ".join([ends[0], *points, ends[1]]).strip(), "line-outline", outline.name)


def _share_ticks(top: float) -> list[Tick]:
    return [Tick(tick.at, f"{tick.label}%") for tick in linear_ticks(0, 100 * top, 3)]
