"""Charts of shares and curves: labelled columns, and lines over equally spaced places.

Takes plain numbers, gives SVG geometry only: these charts are small enough to be read as drawn.
Knows no feature.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.web.charts.plot import Chart, column, from_top, polyline
from app.web.charts.scales import Tick, linear_ticks


@dataclass(frozen=True)
class Series:
    """One line: its name, its CSS class, its values (None or NaN where there is none)."""

    name: str
    css: str
    values: Sequence[float | None]


def columns(
    names: Sequence[str],
    shares: Sequence[float],
    *,
    kind: str,
    label: str,
    x_name: str,
    y_name: str,
    labels: Sequence[str],
    note: str = "",
) -> Chart:
    """One column per name, heights as shares of one, on an axis from 0 to 100%."""
    n = len(names)
    marks = [
        column(i, n, 100 * share, "", labels[i], gap=0.18)
        for i, share in enumerate(shares)
        if share > 0
    ]
    x_ticks = [Tick(100 * (i + 0.5) / n, name) for i, name in enumerate(names)]
    y_ticks = [Tick(100.0 - at, f"{at}%") for at in (0, 50, 100)]
    return Chart(kind, label, x_name, y_name, x_ticks, y_ticks, marks, note=note)


def curves(
    x_ticks: Sequence[Tick],
    series: Sequence[Series],
    *,
    kind: str,
    label: str,
    x_name: str,
    y_name: str,
    low: float = 0.0,
    high: float | None = None,
    as_percent: bool = False,
    log: bool = False,
    note: str = "",
) -> Chart:
    """Lines over the same equally spaced places, on one axis from `low` to `high` or the top."""
    cleaned = [[_number(value) for value in item.values] for item in series]
    if log:
        return _log_curves(x_ticks, series, cleaned, kind, label, x_name, y_name, note)
    largest = max((value for line in cleaned for value in line if value is not None), default=1.0)
    top = high if high is not None else max(largest * 1.05, low + 1e-9)
    lines = [
        polyline([_clip(v, low, top) for v in line], low, top, item.css, item.name)
        for item, line in zip(series, cleaned, strict=True)
    ]
    factor = 100 if as_percent else 1
    ticks = linear_ticks(low * factor, top * factor, 3)
    if as_percent:
        ticks = [Tick(tick.at, f"{tick.label}%") for tick in ticks]
    return Chart(
        kind, label, x_name, y_name, list(x_ticks), from_top(ticks), lines=lines, note=note
    )


def _log_curves(
    x_ticks: Sequence[Tick],
    series: Sequence[Series],
    cleaned: list[list[float | None]],
    kind: str,
    label: str,
    x_name: str,
    y_name: str,
    note: str,
) -> Chart:
    """The same on a log axis over whole powers of ten around one; zeros lie on its floor."""
    known = [value for line in cleaned for value in line if value is not None and value > 0]
    low = min(-1, math.floor(math.log10(min(known, default=1.0))))
    low, high = max(low, -2), max(1, math.ceil(math.log10(max(known, default=1.0))))
    lines = [
        polyline(
            [
                None if v is None else _clip(math.log10(v) if v > 0 else low, low, high)
                for v in line
            ],
            low,
            high,
            item.css,
            item.name,
        )
        for item, line in zip(series, cleaned, strict=True)
    ]
    ticks = [Tick(100 * (k - low) / (high - low), f"{10.0**k:,g}") for k in range(low, high + 1)]
    return Chart(
        kind, label, x_name, y_name, list(x_ticks), from_top(ticks), lines=lines, note=note
    )


def bars_over(
    values: Sequence[float | None],
    x_ticks: Sequence[Tick],
    *,
    kind: str,
    label: str,
    x_name: str,
    y_name: str,
    labels: Sequence[str],
    as_percent: bool = True,
    note: str = "",
) -> Chart:
    """Many thin columns side by side, heights as shares or counts on an axis to the largest."""
    numbers = [_number(value) or 0.0 for value in values]
    top = max(max(numbers, default=0.0), 1e-12)
    marks = [
        column(i, len(numbers), 100 * value / top, "", labels[i], gap=0.12)
        for i, value in enumerate(numbers)
        if value > 0
    ]
    y_ticks = linear_ticks(0, top * (100 if as_percent else 1), 3)
    if as_percent:
        y_ticks = [Tick(tick.at, f"{tick.label}%") for tick in y_ticks]
    return Chart(kind, label, x_name, y_name, list(x_ticks), from_top(y_ticks), marks, note=note)


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _clip(value: float | None, low: float, high: float) -> float | None:
    return None if value is None else min(max(value, low), high)
