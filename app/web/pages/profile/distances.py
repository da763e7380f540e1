"""What a change at each distance before the peak does on average: as a curve and as a table.

Takes the examples of a profile and the means over them; the curve shows the columns of the heat
map, the table every distance. Knows no query and no page.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.web import text
from app.web.charts.columns import Series
from app.web.charts.plot import Chart
from app.web.charts.profile import Spread, profile_curve
from app.web.pages.profile.examples import (
    EffectOn,
    ProfileExample,
    Shares,
    stacked,
    weighted_mean,
)
from app.web.pages.profile.map import COLUMNS

FEWEST_FOR_QUARTILES = 4


class DistanceRow(NamedTuple):
    """The means at one distance before the peak."""

    distance: str
    delete: str
    replace: str
    intervals: str
    """deletion, over the interval examples"""
    n: str
    """top and interval examples behind the deletions"""


def means_by_distance(
    top: Sequence[ProfileExample], others: Sequence[ProfileExample]
) -> dict[str, Shares]:
    """Of deletions and of replacements over the top examples, of deletions over the others."""
    return {
        "delete": weighted_mean(top, "delete"),
        "replace": weighted_mean(top, "replace"),
        "intervals": weighted_mean(others, "delete"),
    }


def _columns(by_distance: Shares) -> Float[ndarray, " n_columns"]:
    """The values of the heat map's columns, farthest first, the peak last."""
    columns = np.full(COLUMNS + 1, np.nan)
    kept = by_distance[: COLUMNS + 1]
    columns[COLUMNS + 1 - kept.size :] = kept[::-1]
    return columns


def mean_curve(
    top: Sequence[ProfileExample], means: dict[str, Shares], mode: str, effect: EffectOn
) -> Chart:
    """Mean effect by place: both modes over the top examples, deletions over the intervals."""
    lines = [
        Series("top examples, delete", "line", _columns(means["delete"]).tolist()),
        Series("top examples, replace", "line-second", _columns(means["replace"]).tolist()),
        Series("interval examples, delete", "line-third", _columns(means["intervals"]).tolist()),
    ]
    drawn = [line for line in lines if np.isfinite(np.array(line.values)).any()]
    shares = stacked(top, mode)
    spread = None
    if len(shares) >= FEWEST_FOR_QUARTILES:
        spread = Spread(
            f"middle half of the {len(shares)} top examples, {mode}",
            _columns(quantile(shares, 0.25)),
            _columns(quantile(shares, 0.75)),
        )
    return profile_curve(
        drawn,
        spread,
        label=f"Mean effect on the peak's {effect} by tokens before it",
        y_name=f"change of {'the activation' if effect == 'activation' else 'hidden_pre'}",
    )


def quantile(shares: Float[ndarray, "a n"], q: float) -> Shares:
    """By distance, over the examples measured there, interpolated; NaN where fewer than four are.

    The same as `np.nanquantile`, which takes a hundred times as long on a few short columns.
    """
    n = np.isfinite(shares).sum(axis=0)
    place = q * np.maximum(n - 1, 0)
    below = np.floor(place).astype(np.int64)
    ordered = np.sort(shares, axis=0)  # NaN comes last
    columns = np.arange(shares.shape[1])
    low = ordered[below, columns]
    high = ordered[np.minimum(below + 1, np.maximum(n - 1, 0)), columns]
    return np.where(n >= FEWEST_FOR_QUARTILES, low + (place - below) * (high - low), np.nan)


def distance_rows(
    means: dict[str, Shares], top: Sequence[ProfileExample], others: Sequence[ProfileExample]
) -> list[DistanceRow]:
    """The means at every distance, the peak first."""
    n = max(values.size for values in means.values())
    padded = {name: _padded(values.tolist(), n, math.nan) for name, values in means.items()}
    n_top, n_others = (
        _padded(np.isfinite(stacked(examples, "delete")).sum(axis=0).tolist(), n, 0)
        for examples in (top, others)
    )
    return [
        DistanceRow(
            "peak" if distance == 0 else f"−{distance}",
            text.signed_percent(padded["delete"][distance]),
            text.signed_percent(padded["replace"][distance]),
            text.signed_percent(padded["intervals"][distance]),
            f"{n_top[distance]} + {n_others[distance]}",
        )
        for distance in range(n)
    ]


def _padded(values: list[float], n: int, missing: float) -> list[float]:
    return values + [missing] * (n - len(values))


def farther_words(deleted: Shares) -> str:
    """The places before the first column: their strongest mean, so that nothing is hidden."""
    beyond = deleted[COLUMNS + 1 :]
    if not np.isfinite(beyond).any():
        return ""
    strongest = int(np.nanargmax(np.abs(beyond)))
    return (
        f"Farther away, {COLUMNS + 1} to {deleted.size - 1} tokens before the peak, the largest "
        f"mean effect of a deletion is {text.signed_percent(float(beyond[strongest]))}, at "
        f"−{COLUMNS + 1 + strongest}."
    )
