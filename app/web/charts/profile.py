"""The curve above a heat map: one value over the middle of each column, with a band behind it.

Takes values by column, gives SVG geometry; the heat map's own head names the columns. Knows no
feature.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.web.charts.columns import Series
from app.web.charts.plot import Chart, Polyline, from_top
from app.web.charts.scales import Tick, linear_ticks


@dataclass(frozen=True)
class Spread:
    """A band from `low` to `high` by column; NaN where there is none."""

    name: str
    low: Float[ndarray, " n_columns"]
    high: Float[ndarray, " n_columns"]


def profile_curve(
    series: Sequence[Series], spread: Spread | None, *, label: str, y_name: str, note: str = ""
) -> Chart:
    """Shares over columns, on an axis that holds −100% and zero, and more where values need it."""
    values = [np.array(item.values, dtype=np.float64) for item in series]
    known = np.concatenate([np.zeros(1), *(v[np.isfinite(v)] for v in values)])
    if spread is not None:
        known = np.concatenate([known, *(v[np.isfinite(v)] for v in (spread.low, spread.high))])
    low, high = min(-1.0, float(known.min())), max(0.1, float(known.max()))
    lines = [
        Polyline(_points(line, low, high), item.css, item.name)
        for item, line in zip(series, values, strict=True)
    ]
    areas = [] if spread is None else [_area(spread, low, high)]
    ticks = [Tick(t.at, f"{t.label}%") for t in linear_ticks(100 * low, 100 * high, 4)]
    return Chart(
        "profile-curve", label, "", y_name, [], from_top(ticks), lines=lines, areas=areas, note=note
    )


def _points(values: Float[ndarray, " n_columns"], low: float, high: float) -> str:
    x = 100 * (np.arange(values.size) + 0.5) / values.size
    y = 100 * (high - values) / (high - low)
    known = np.isfinite(values)
    return " ".join(
        [f"{a:.4g},{b:.4g}" for a, b in zip(x[known].tolist(), y[known].tolist(), strict=True)]
    )


def _area(spread: Spread, low: float, high: float) -> Polyline:
    """Along the upper border and back along the lower one."""
    there = _points(spread.high, low, high)
    back = " ".join(reversed(_points(spread.low, low, high).split(" ")))
    return Polyline(f"{there} {back}".strip(), "middle-half", spread.name)
