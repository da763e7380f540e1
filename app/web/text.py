"""Numbers as pages write them, and words where a page can mark nothing.

Takes numbers, gives short strings with typographic signs; None and NaN are a dash. Registered as
template filters under the functions' own names. Knows no page; the text of tokens is made in
`app/db/display.py`.
"""

import math
import re

MISSING = "–"
_MINUS = "−"
_THIN = "\u202f"


_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def undirected(text: str) -> str:
    """What somebody wrote, for a title: without marks that turn what stands beside it."""
    return _TURNING.sub("", text)


def count(value: int | float | None) -> str:
    """A whole number with separators: 16248 → 16,248."""
    if value is None or math.isnan(value):
        return MISSING
    return f"{value:,.0f}".replace("-", _MINUS)


def compact(value: int | float | None) -> str:
    """A large number in three digits at most: 5242880 → 5.2 M."""
    if value is None or math.isnan(value):
        return MISSING
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scaled = value / (1e3 if unit == "k" else limit)
            return f"{scaled:.{0 if abs(scaled) >= 10 else 1}f}{_THIN}{unit}".replace("-", _MINUS)
    return count(value)


def number(value: float | None, digits: int = 3) -> str:
    """A measurement in `digits` significant digits, never in scientific notation above 1e-6."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else f"{_MINUS}∞"
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -6:
        return f"{value:.{digits - 1}e}".replace("-", _MINUS)
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}".replace("-", _MINUS)


def signed(value: float | None, digits: int = 3) -> str:
    """A difference, its sign always shown: 3.91 → +3.91."""
    text = number(value, digits)
    return f"+{text}" if value is not None and value > 0 else text


def percent(share: float | None, digits: int = 2) -> str:
    """A share as a percentage: 0.8312 → 83%, 0.0031 → 0.31%; below 100% never rounded up to it."""
    if share is None or math.isnan(share):
        return MISSING
    scaled = 100 * share
    if 99 <= abs(scaled) < 100:
        nearest = math.copysign(min(abs(scaled), 99.9), scaled)
        return f"{nearest:.1f}%".replace("-", _MINUS)
    return f"{number(scaled, digits)}%"


def signed_percent(share: float | None) -> str:
    """A relative change: −0.624 → −62%."""
    text = percent(share)
    return f"+{text}" if share is not None and share > 0 else text
