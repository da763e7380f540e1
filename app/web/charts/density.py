"""How dense the features of a dictionary are: a histogram over the logarithm of density.

Takes edges and counts, gives a chart with the range a list is filtered to drawn darker. Knows no
database.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from app.web.charts.plot import Chart, Mark, column, from_top
from app.web.charts.scales import Tick, linear_ticks, log_height, log_ticks

BINS_PER_DECADE = 8


def density_edges(smallest: float | None) -> list[float]:
    """Edges of equal width in log density, from the decade below the smallest up to 1."""
    lowest = math.floor(math.log10(smallest)) if smallest else -1
    n_bins = -lowest * BINS_PER_DECADE
    return [10 ** (lowest + i / BINS_PER_DECADE) for i in range(n_bins + 1)]


def density_chart(
    edges: Sequence[float],
    counts: Sequence[int],
    scale: Literal["linear", "log"],
    kept: tuple[float | None, float | None],
    link: Callable[[float, float], str],
) -> Chart:
    """The histogram; bins wholly or partly inside `kept` are dark, all others pale.

    `link` gives the address that keeps the features of one bin.
    """
    low, high = kept
    filtered = low is not None or high is not None
    largest = max(counts, default=0)
    css = [
        "mark-strong" if filtered and (low or 0) < right and left <= (1 if high is None else high)
        else "mark"
        for left, right in pairwise(edges)
    ]  # fmt: skip
    heights = [
        log_height(count, largest) if scale == "log" else 100 * count / max(largest, 1)
        for count in counts
    ]
    labels = [_label(edges[i], edges[i + 1], count) for i, count in enumerate(counts)]
    marks: list[Mark] = [
        replace(column(i, len(counts), heights[i], css[i], labels[i]), href=link(*edges[i : i + 2]))
        for i in range(len(counts))
        if counts[i]
    ]
    y_ticks = log_ticks(largest) if scale == "log" else linear_ticks(0, max(largest, 1), 3)
    return Chart(
        "density-chart",
        f"Histogram of density, {scale} counts",
        "density (share of tokens, log scale)",
        "features",
        _decades(edges),
        from_top(y_ticks),
        marks,
    )


def decade_label(exponent: int) -> str:
    """10^exponent as a percentage: −3 → 0.1%."""
    return f"{10.0 ** (exponent + 2):.{max(0, -exponent - 2)}f}%"


def _decades(edges: Sequence[float]) -> list[Tick]:
    lowest = round(math.log10(edges[0]))
    return [Tick(100 * i / -lowest, decade_label(lowest + i)) for i in range(-lowest + 1)]


def _label(low: float, high: float, count: int) -> str:
    return f"{100 * low:.2g}% – {100 * high:.2g}%: {count:,} features"
