"""An axis for values of any column: its borders, whether it is logarithmic, its round ticks.

Takes values, gives places as shares of the axis (0 at its low end, 1 at its high end). Shares of
something whole run from 0 to 100%. An axis turns logarithmic by itself where all values are
positive and the largest is more than fifty times the median. Knows no column by name.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.web.charts.scales import Tick, linear_ticks, number_label, round_step

_SKEWED = 50
"""largest value over the median from which an axis is logarithmic"""
_MOST_CHARACTERS = 70
"""Of all labels of an axis"""


@dataclass(frozen=True)
class Axis:
    """One direction of a chart."""

    low: float
    high: float
    log: bool
    ticks: list[Tick]
    """`at` counts from the low end, in percent"""

    def places(self, values: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
        """Shares of the axis; NaN for a value that has no place on it."""
        if not self.log:
            return (values - self.low) / (self.high - self.low)
        logs = np.log10(np.where(values > 0, values, np.nan))
        low, high = math.log10(self.low), math.log10(self.high)
        return (logs - low) / (high - low)

    def as_json(self) -> dict[str, float | bool]:
        """What a script needs to place values the same way."""
        return {"low": self.low, "high": self.high, "log": self.log}


def make_axis(values: Float[ndarray, " n"], share: bool = False, log: bool | None = None) -> Axis:
    """The axis that holds all finite values.

    Args:
        share: values are shares, written as percentages.
        log: None lets the values decide; a logarithmic axis leaves out what is not positive.
    """
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    if log is None:
        skewed = positive.size and positive.max() > _SKEWED * np.median(positive)
        log = bool(skewed) and positive.size == finite.size
    if log:
        return _log_axis(positive, share)
    return _linear_axis(finite, share)


def _linear_axis(values: Float[ndarray, " n"], share: bool) -> Axis:
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if share and -1 <= low <= high <= 1:
        low, high = (0.0 if low >= 0 else -1.0), (1.0 if high > 0 else 0.0)
    else:
        low = 0.0 if 0 <= low < 0.6 * high else low
        if not high > low:
            low, high = low - 0.5, low + 0.5
        step = round_step(high - low, 4)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    if not share:
        return Axis(low, high, False, _apart(linear_ticks(low, high, 4)))
    ticks = [Tick(t.at, f"{t.label}%") for t in linear_ticks(100 * low, 100 * high, 4)]
    return Axis(low, high, False, ticks)


def _apart(ticks: list[Tick]) -> list[Tick]:
    """Every second, third … tick where all labels would run into each other."""
    every = 1
    while sum(len(tick.label) + 2 for tick in ticks[::every]) > _MOST_CHARACTERS:
        every += 1
    return ticks[::every]


def _log_axis(values: Float[ndarray, " n"], share: bool) -> Axis:
    """Borders at fourths of a power of ten; ticks at powers of ten, between narrow borders also
    at their doubles and fives."""
    smallest, largest = (float(values.min()), float(values.max())) if values.size else (0.1, 1.0)
    low = math.floor(4 * math.log10(smallest) + 1e-9) / 4
    high = max(math.ceil(4 * math.log10(largest) - 1e-9) / 4, low + 0.25)
    factors = (1.0,) if high - low >= 2 else (1.0, 2.0, 5.0)
    ticks = [
        Tick(round(100 * (at - low) / (high - low), 3), _log_label(factor, power, share))
        for power in range(math.floor(low), math.ceil(high) + 1)
        for factor in factors
        if low - 1e-9 <= (at := power + math.log10(factor)) <= high + 1e-9
    ]
    return Axis(10.0**low, 10.0**high, True, ticks)


def _log_label(factor: float, power: int, share: bool) -> str:
    shown = power + 2 if share else power
    return number_label(factor * 10.0**shown, 10.0**shown) + ("%" if share else "")
