"""From numbers to places and colour steps: axes with round ticks, and the classes of the two ramps.

Places are percentages of the plot area, from its left and from its bottom, so that a chart can be
laid out at any width without shrinking its text. Knows no chart.
"""

import math
from dataclasses import dataclass

HEAT_STEPS = 10
EFFECT_STEPS = 5
EFFECT_FLOOR = 0.05
"""Effects smaller than this share of the baseline get no colour."""


@dataclass(frozen=True)
class Tick:
    """One label on an axis."""

    at: float
    """percent of the axis"""
    label: str


def heat_class(value: float, maximum: float) -> str:
    """Colour step of an activation: ten equal steps over (0, maximum], none for zero.

    A value on a border belongs to the lower step, as in the activation histogram.
    """
    if not value > 0 or not maximum > 0:
        return ""
    step = math.ceil(value / maximum * HEAT_STEPS) - 1
    return f"heat-{min(max(step, 0), HEAT_STEPS - 1)}"


def effect_class(share: float | None) -> str:
    """Colour step of an effect given as a share of its baseline: five each way, none under 5%."""
    if share is None or not math.isfinite(share) or abs(share) < EFFECT_FLOOR:
        return ""
    step = min(int(abs(share) * EFFECT_STEPS) + 1, EFFECT_STEPS)
    return f"effect-{'n' if share < 0 else 'p'}{step}"


def round_step(span: float, n_steps: int) -> float:
    """The largest of 1, 2, 2.5 or 5 · 10^k that cuts `span` into at least n_steps parts."""
    rough = span / max(n_steps, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return max(f * power for f in (1.0, 2.0, 2.5, 5.0) if f * power <= rough * (1 + 1e-9))


def linear_ticks(low: float, high: float, n_steps: int = 4) -> list[Tick]:
    """Round values inside [low, high]; a single tick where the range is empty."""
    if not high > low:
        return [Tick(0.0, number_label(low, 1.0))]
    step = round_step(high - low, n_steps)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [
        Tick(round(100 * (i * step - low) / (high - low), 3), number_label(i * step, step))
        for i in range(first, last + 1)
    ]


def log_height(count: float, maximum: float) -> float:
    """Percent of the axis for a count on a log scale that starts below one, so that one is seen."""
    if count <= 0:
        return 0.0
    low, high = math.log10(_LOG_FLOOR), math.log10(max(maximum, 2.0))
    return 100 * (math.log10(count) - low) / (high - low)


def log_ticks(maximum: float) -> list[Tick]:
    """Powers of ten up to `maximum`, at most about five of them."""
    top = math.floor(math.log10(max(maximum, 2.0)) + 1e-9)
    stride = max(1, math.ceil((top + 1) / 5))
    return [Tick(log_height(10.0**k, maximum), f"{10**k:,}") for k in range(0, top + 1, stride)]


def number_label(value: float, step: float) -> str:
    """A tick's number with as many decimals as its step needs, a true minus and thousands marks."""
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**decimals - round(step * 10**decimals)) > 1e-6:
        decimals += 1
    text = f"{value:,.{decimals}f}"
    return text.replace("-", "−") if float(text.replace(",", "")) != 0 else text.lstrip("-")


_LOG_FLOOR = 0.6
