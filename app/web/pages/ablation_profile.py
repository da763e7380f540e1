"""What holds the activation up, over the examples with ablated text: by place, token and context.

Takes a feature's material, the change shown (delete, replace or both) and what effects are measured
on; every average says over which examples and how many, interval examples weigh as much as their
band's share of the firings, and a token is compared with the mean effect at its distance, so that
mere adjacency does not look like meaning. Knows no query.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.web import text
from app.web.charts.columns import Series
from app.web.charts.plot import Chart
from app.web.charts.profile import Spread, profile_curve
from app.web.pages.context_needed import ContextNeeded, build_context_needed
from app.web.pages.feature_material import Material
from app.web.pages.profile_disagreement import Disagreements, build_disagreements
from app.web.pages.profile_examples import (
    EffectOn,
    ProfileExample,
    Shares,
    profile_examples,
    stacked,
    weighted_mean,
)
from app.web.pages.profile_map import COLUMNS, OFFSETS, HeatRow, heat_rows, n_drawn
from app.web.pages.profile_tokens import ProfileToken, build_profile_tokens
from app.web.pages.stored_example import MODES

FEWEST_FOR_QUARTILES = 4


@dataclass(frozen=True)
class DistanceRow:
    """The means at one distance before the peak."""

    distance: str
    delete: str
    replace: str
    intervals: str
    """deletion, over the interval examples"""
    n: str
    """top and interval examples behind the deletions"""


@dataclass(frozen=True)
class AblationProfile:
    """The panel as printed."""

    modes: tuple[str, ...]
    """the changes the heat map shows"""
    effect: EffectOn
    measured_on: str
    """what effects are a share of, in words"""
    not_above_zero: str
    """what is shown where hidden_pre is not above zero; empty where there is no such example"""
    scope: str
    """which examples stand behind it"""
    curve: Chart
    offsets: list[str]
    """column heads of the heat map"""
    rows: list[HeatRow]
    n_rows_left_out: int
    distances: list[DistanceRow]
    farther: str
    """what lies before the first column, in words; empty where nothing was measured there"""
    tokens: list[ProfileToken]
    tokens_scope: str
    disagreements: Disagreements | None
    context_needed: ContextNeeded | None

    @property
    def mode(self) -> str:
        """The first of the changes shown."""
        return self.modes[0]


def build_ablation_profile(
    material: Material, ablation: str, effect: EffectOn = "activation"
) -> AblationProfile | None:
    """The panel, or None where no example has ablated text; `off` shows deletions."""
    examples = profile_examples(material, effect)
    if not examples:
        return None
    top = [item for item in examples if item.group == "top"]
    others = [item for item in examples if item.group != "top"]
    modes = MODES if ablation == "both" else (ablation,) if ablation in MODES else ("delete",)
    means = {
        "delete": weighted_mean(top, "delete"),
        "replace": weighted_mean(top, "replace"),
        "intervals": weighted_mean(others, "delete"),
    }
    return AblationProfile(
        modes=modes,
        effect=effect,
        measured_on="activation" if effect == "activation" else "pre-activation (hidden_pre)",
        not_above_zero=_not_above_zero(examples),
        scope=_scope(material, len(top), len(others)),
        curve=_curve(top, means, modes[0], effect),
        offsets=OFFSETS,
        rows=heat_rows(examples, modes),
        n_rows_left_out=max(0, len(examples) - n_drawn(len(modes))),
        distances=_distance_rows(means, top, others),
        farther=_farther(means["delete"]),
        tokens=build_profile_tokens(top, others, means["delete"]),
        tokens_scope=f"{len(top)} top and {len(others)} interval examples",
        disagreements=build_disagreements(examples),
        context_needed=build_context_needed(material),
    )


def _not_above_zero(examples: Sequence[ProfileExample]) -> str:
    n = sum(not item.above_zero for item in examples)
    if n == 0:
        return ""
    return (
        f"In {n} of {len(examples)} examples hidden_pre is not above zero at the peak, so a share "
        "of it says nothing: for them the change of the activation is shown."
    )


def _scope(material: Material, n_top: int, n_others: int) -> str:
    parts = []
    if n_top:
        parts.append(f"{n_top} of {material.groups['top'].context_id.size} top examples")
    if n_others:
        n_stored = sum(material.groups[g].context_id.size for g in material.ablations if g != "top")
        parts.append(
            f"{n_others} of {n_stored} interval examples, weighted by their band's share of the "
            "firings"
        )
    return " and ".join(parts)


def _columns(by_distance: Shares) -> Float[ndarray, " n_columns"]:
    """The values of the heat map's columns, farthest first, the peak last."""
    columns = np.full(COLUMNS + 1, np.nan)
    kept = by_distance[: COLUMNS + 1]
    columns[COLUMNS + 1 - kept.size :] = kept[::-1]
    return columns


def _curve(
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
            _columns(_quantile(shares, 0.25)),
            _columns(_quantile(shares, 0.75)),
        )
    return profile_curve(
        drawn,
        spread,
        label=f"Mean effect on the peak's {effect} by tokens before it",
        y_name=f"change of {'the activation' if effect == 'activation' else 'hidden_pre'}",
    )


def _quantile(shares: Float[ndarray, "a n"], q: float) -> Shares:
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


def _distance_rows(
    means: dict[str, Shares], top: Sequence[ProfileExample], others: Sequence[ProfileExample]
) -> list[DistanceRow]:
    n_top = np.isfinite(stacked(top, "delete")).sum(axis=0)
    n_others = np.isfinite(stacked(others, "delete")).sum(axis=0)
    n = max(values.size for values in means.values())
    padded = {
        name: np.pad(values, (0, n - values.size), constant_values=np.nan).tolist()
        for name, values in means.items()
    }
    counts = [np.pad(found, (0, n - found.size)).tolist() for found in (n_top, n_others)]
    return [
        DistanceRow(
            "peak" if distance == 0 else f"−{distance}",
            text.signed_percent(padded["delete"][distance]),
            text.signed_percent(padded["replace"][distance]),
            text.signed_percent(padded["intervals"][distance]),
            f"{counts[0][distance]} + {counts[1][distance]}",
        )
        for distance in range(n)
    ]


def _farther(deleted: Shares) -> str:
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
