"""Many points as a picture of few marks: squares of the plot, darker where more points lie.

This is what stands where no script draws the points one by one. Takes places as shares of the plot,
gives SVG paths in a space of squares. Knows no column and no feature.
"""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

N_LEVELS = 5
"""Shades, in equal steps of the logarithm from one point to the fullest square"""


@dataclass(frozen=True)
class Cells:
    """All squares of one shade."""

    css: str
    path: str


@dataclass(frozen=True)
class Picture:
    """The plot as squares; y counts from the top."""

    n_columns: int
    n_rows: int
    cells: list[Cells]
    """pale ones first, then those of the points that are kept"""


def draw_cells(
    x: Float[ndarray, " n"],
    y: Float[ndarray, " n"],
    kept: Bool[ndarray, " n"],
    n_columns: int,
    n_rows: int,
) -> Picture:
    """Squares under all points, and darker ones under those kept.

    Args:
        x, y: shares of the plot from the left and from the bottom; NaN draws nothing.
    """
    cells: list[Cells] = []
    fullest = np.log(max(int(_count(x, y, n_columns, n_rows).max()), 2))
    for css, chosen in (("pale", ~kept), ("dark", kept)):
        counts = _count(x[chosen], y[chosen], n_columns, n_rows)
        steps = (N_LEVELS * np.log(np.maximum(counts, 1)) / fullest).astype(np.int64)
        levels = np.where(counts > 0, np.minimum(steps, N_LEVELS - 1) + 1, 0)
        for level in range(1, N_LEVELS + 1):
            path = _path(levels == level)
            if path:
                cells.append(Cells(f"{css} shade-{level}", path))
    return Picture(n_columns, n_rows, cells)


def _count(
    x: Float[ndarray, " n"], y: Float[ndarray, " n"], n_columns: int, n_rows: int
) -> Int[ndarray, "n_rows n_columns"]:
    drawn = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
    column = np.minimum((x[drawn] * n_columns).astype(np.int64), n_columns - 1)
    row = np.minimum(((1 - y[drawn]) * n_rows).astype(np.int64), n_rows - 1)
    counts = np.bincount(row * n_columns + column, minlength=n_rows * n_columns)
    return counts.reshape(n_rows, n_columns)


def _path(squares: Bool[ndarray, "n_rows n_columns"]) -> str:
    """One rectangle for each run of squares in a row."""
    parts: list[str] = []
    for row, line in enumerate(squares):
        for filled, run in groupby(enumerate(line.tolist()), key=lambda item: item[1]):
            places = list(run)
            if filled:
                parts.append(f"M{places[0][0]} {row}h{len(places)}v1h-{len(places)}z")
    return "".join(parts)


def short_numbers(values: Float[ndarray, " n"]) -> list[float | None]:
    """Four significant digits as JSON takes them; None for what is no finite number."""
    finite = np.isfinite(values)
    size = np.abs(np.where(finite & (values != 0), values, 1.0))
    digits = 3 - np.floor(np.log10(size)).astype(np.int64)
    up, down = 10.0 ** np.maximum(digits, 0), 10.0 ** np.maximum(-digits, 0)
    rounded = np.round(np.where(finite, values, 0.0) * up / down) / up * down
    found: list[float | None] = rounded.tolist()
    for i in np.flatnonzero(~finite).tolist():
        found[i] = None
    return found
