"""Values by position in a context on a log axis, position 0 apart from the line.

Takes values by position, gives SVG geometry. Knows no token.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.web import text
from app.web.charts.axes import Axis, make_axis
from app.web.charts.columns import Series
from app.web.charts.plot import Chart, Mark, Polyline, from_top, percent
from app.web.charts.scales import Tick, linear_ticks

_DOT = 1.2
"""Width of the mark at position 0, percent of the plot."""


def position_chart(
    series: Sequence[Series],
    zero: tuple[float, float] | None,
    *,
    kind: str,
    label: str,
    y_name: str,
    level: tuple[str, float] | None = None,
    note: str = "",
) -> Chart:
    """Lines over positions, the same number of each; missing values are left out.

    Args:
        zero: the least and the largest value at position 0, drawn as a bar.
        level: name and value of a line across the plot.
    """
    lines = [np.array(each.values, np.float64) for each in series]
    extra = [*(zero or ()), *((level[1],) if level and np.isfinite(level[1]) else ())]
    axis = make_axis(np.concatenate([*lines, extra]), log=True)
    size = max((line.size for line in lines), default=1)
    shapes = [
        Polyline(_points(line, axis, size), each.css, each.name)
        for line, each in zip(lines, series, strict=True)
    ]
    if level is not None and np.isfinite(level[1]):
        y = _from_top(np.array([level[1]]), axis)[0]
        shapes.append(Polyline(f"0,{y:.4g} 100,{y:.4g}", "line-value", level[0]))
    return Chart(
        kind, label, "position in the context", y_name,
        _ticks(size), from_top(axis.ticks),
        [] if zero is None else [_zero(zero, axis, size)],
        lines=shapes,
        note=note,
    )  # fmt: skip


def _points(values: Float[ndarray, " n"], axis: Axis, size: int) -> str:
    x, y = 100 * (np.arange(values.size) + 0.5) / size, _from_top(values, axis)
    known = np.isfinite(y)
    pairs = zip(x[known].tolist(), y[known].tolist(), strict=True)
    return " ".join([f"{a:.4g},{b:.4g}" for a, b in pairs])


def _from_top(values: Float[ndarray, " n"], axis: Axis) -> Float[ndarray, " n"]:
    return 100 - 100 * axis.places(values)


def _zero(zero: tuple[float, float], axis: Axis, size: int) -> Mark:
    high, low = _from_top(np.array(zero[::-1]), axis).tolist()
    said = f"position 0: {text.number(zero[0])} to {text.number(zero[1])}"
    height = max(low - high, _DOT)
    left = max(100 * 0.5 / size - _DOT / 2, 0)
    return Mark(percent(left), percent(high), percent(_DOT), percent(height), "mark-zero", said)


def _ticks(size: int) -> list[Tick]:
    """Whole positions, placed over the middle of their stretch."""
    return [
        Tick(100 * (float(tick.label.replace(",", "")) + 0.5) / size, tick.label)
        for tick in linear_ticks(0, max(size - 1, 1), 5)
        if "." not in tick.label
    ]
