"""What holds the activation up, over the examples with ablated text: by place, token and context.

Takes a feature's material and the mode shown; every average says over which examples and how many,
interval examples weigh as much as their band's share of the firings, and a token is compared with
the mean effect at its distance, so that mere adjacency does not look like meaning. Knows no query.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.db.records import Group
from app.web import text
from app.web.charts.columns import Series, curves
from app.web.charts.plot import Chart
from app.web.charts.scales import Tick, effect_class
from app.web.pages.context_needed import ContextNeeded, build_context_needed
from app.web.pages.feature_material import Material
from app.web.pages.profile_tokens import ProfileToken, build_profile_tokens
from app.web.pages.stored_example import MODES, effects_of, window_of
from app.web.pages.token_line import Effects, Window
from app.web.token_text import Pieces, line_pieces

HEAT_MAP_COLUMNS = 16
HEAT_MAP_ROWS = 12


@dataclass(frozen=True)
class Measured:
    """One example with ablated text."""

    group: Group
    row: int
    window: Window
    effects: dict[str, Effects]
    """by mode"""
    weight: float
    """share of the firings its band stands for, split over the band's measured examples"""

    @property
    def name(self) -> str:
        """Its anchor on the page."""
        return f"{self.group}-{self.row + 1}"


@dataclass(frozen=True)
class Cell:
    """One token of the heat map."""

    pieces: Pieces
    css: str
    label: str
    """the effect in words; empty outside the context"""


@dataclass(frozen=True)
class HeatRow:
    """One example of the heat map, aligned at its peak."""

    name: str
    value: str
    cells: list[Cell]


@dataclass(frozen=True)
class AblationProfile:
    """The panel as printed."""

    mode: str
    """the mode of the heat map"""
    scope: str
    """which examples stand behind it"""
    curve: Chart
    offsets: list[str]
    """column heads of the heat map"""
    rows: list[HeatRow]
    n_rows_left_out: int
    tokens: list[ProfileToken]
    n_top: int
    context_needed: ContextNeeded | None


def build_ablation_profile(material: Material, mode: str) -> AblationProfile | None:
    """The panel, or None where no example has ablated text."""
    measured = list(_measured(material))
    if not measured:
        return None
    top = [item for item in measured if item.group == "top"]
    others = [item for item in measured if item.group != "top"]
    shown = mode if mode in MODES else "delete"
    return AblationProfile(
        mode=shown,
        scope=_scope(material, len(top), len(others)),
        curve=_curve(top, others),
        offsets=[*(f"−{k}" for k in range(HEAT_MAP_COLUMNS, 0, -1)), "peak"],
        rows=[_heat_row(item, shown) for item in measured[:HEAT_MAP_ROWS]],
        n_rows_left_out=max(0, len(measured) - HEAT_MAP_ROWS),
        tokens=build_profile_tokens(
            [(item.window, item.effects) for item in top], _mean(top, "delete")
        ),
        n_top=len(top),
        context_needed=build_context_needed(material),
    )


def _measured(material: Material) -> list[Measured]:
    """Every example with ablated text, group by group, strongest first."""
    found: list[Measured] = []
    for group, ablations in material.ablations.items():
        stored = material.groups[group]
        rows = ablations.rank[np.argsort(-ablations.baseline, kind="stable")].tolist()
        bands = stored.band[rows].tolist()
        for row, band in zip(rows, bands, strict=True):
            window = window_of(material, group, row)
            effects = {m: e for m in MODES if (e := effects_of(ablations, row, m)) is not None}
            if window is None or not effects:
                continue
            share = float(stored.band_share[band]) if band >= 0 else 1.0
            found.append(Measured(group, row, window, effects, share / bands.count(band)))
    return found


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


def _mean(items: list[Measured], mode: str) -> Float[ndarray, " n_offsets"]:
    """Weighted mean share by distance before the peak (0 = the peak); NaN where none has it."""
    n_offsets = 1 + max(
        (item.window.peak - min(item.effects[mode].by_position, default=item.window.peak)
         for item in items if mode in item.effects),
        default=0,
    )  # fmt: skip
    total, weight = np.zeros(n_offsets), np.zeros(n_offsets)
    for item in items:
        shares = item.effects[mode].shares if mode in item.effects else {}
        distances = item.window.peak - np.fromiter(shares, dtype=np.int64, count=len(shares))
        total[distances] += item.weight * np.fromiter(shares.values(), dtype=np.float64)
        weight[distances] += item.weight
    with np.errstate(invalid="ignore"):
        return np.where(weight > 0, total / np.where(weight > 0, weight, 1), np.nan)


def _curve(top: list[Measured], others: list[Measured]) -> Chart:
    """Mean effect by place: delete and replace over the top examples, delete over the intervals."""
    lines = [
        ("top, delete", "line", _mean(top, "delete")),
        ("top, replace", "line-second", _mean(top, "replace")),
        ("intervals, delete", "line-third", _mean(others, "delete")),
    ]
    drawn = [item for item in lines if np.isfinite(item[2]).any()]
    n = max((values.size for _, _, values in drawn), default=1)
    series = []
    for name, css, values in drawn:
        padded = np.full(n, np.nan)
        padded[n - values.size :] = values[::-1]
        series.append(Series(name, css, padded.tolist()))
    stride = max(1, (n - 1) // 4)
    ticks = [
        Tick(100 * (n - 1 - k) / max(n - 1, 1), "peak" if k == 0 else f"−{k}")
        for k in range(0, n, stride)
    ]
    finite = np.concatenate([v[np.isfinite(v)] for _, _, v in drawn]) if drawn else np.zeros(1)
    return curves(
        ticks,
        series,
        kind="profile-curve",
        label="Mean effect on the peak's activation by distance before it",
        x_name="tokens before the peak",
        y_name="change of activation",
        low=min(-1.0, float(finite.min())),
        high=max(0.1, float(finite.max())),
        as_percent=True,
        note="Below zero: changing the token there lowers the peak. The peak itself is never "
        "deleted (that would read another token), only replaced.",
    )


def _heat_row(item: Measured, mode: str) -> HeatRow:
    window = item.window.cut(HEAT_MAP_COLUMNS, 0)
    pieces = line_pieces(window.tokens)
    effects = item.effects.get(mode)
    cells = []
    for position in range(window.peak - HEAT_MAP_COLUMNS, window.peak + 1):
        if position < window.start:
            cells.append(Cell((), "outside", ""))
            continue
        share = effects.shares.get(position) if effects is not None else None
        css = ["hatch"] if share is None else [effect_class(share)]
        if window.activations.get(position, 0.0) > 0:
            css.append("fires")
        label = "not measured" if share is None else text.signed_percent(share)
        names = " ".join(name for name in css if name)
        cells.append(Cell(pieces[position - window.start], names, label))
    value = window.activations.get(window.peak, math.nan)
    return HeatRow(item.name, text.number(value), cells)
