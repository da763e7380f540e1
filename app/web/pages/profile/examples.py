"""The examples with ablated text as rows of shares, aligned at their peaks: what is averaged.

Takes a feature's material and what effects are measured on; gives one row of shares per example and
mode, by distance before the peak (0 is the peak itself), NaN where nothing was measured. Knows how
examples weigh, nothing of how anything is shown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.db.records import AblationGroup, Group
from app.web.pages.examples.stored import MODES, measured_at, window_of
from app.web.pages.examples.token_line import Window
from app.web.pages.feature.material import Material

EffectOn = Literal["activation", "hidden_pre"]

Shares = Float[ndarray, " n_distances"]


@dataclass(frozen=True)
class ProfileExample:
    """One example with ablated text."""

    group: Group
    row: int
    window: Window
    shares: dict[str, Shares]
    """by mode: the change of the peak as a share of its value without a change"""
    weight: float
    """share of the firings its band stands for, split over the band's measured examples; 1 for
    examples without a band"""
    above_zero: bool
    """False where hidden_pre is not above zero at the peak, so that shares of it mean nothing and
    those of the activation stand here instead"""

    @property
    def name(self) -> str:
        """Its anchor on the page."""
        return f"{self.group}-{self.row + 1}"


def profile_examples(material: Material, effect: EffectOn) -> list[ProfileExample]:
    """Every example with ablated text, group by group, the strongest first."""
    n = 1 + max((_farthest(material, group) for group in material.ablations), default=0)
    return list(_examples(material, effect, n))


def stacked(examples: Sequence[ProfileExample], mode: str) -> Float[ndarray, "a n_distances"]:
    """The rows of those examples that have the mode, one under the other."""
    rows = [item.shares[mode] for item in examples if mode in item.shares]
    return np.stack(rows) if rows else np.zeros((0, 1))


def weighted_mean(examples: Sequence[ProfileExample], mode: str) -> Shares:
    """Mean share by distance, every example with its weight; NaN where none was measured."""
    shares = stacked(examples, mode)
    weights = np.array([item.weight for item in examples if mode in item.shares])[:, None]
    known = np.isfinite(shares)
    total = np.where(known, shares * weights, 0.0).sum(axis=0)
    weight = np.where(known, weights, 0.0).sum(axis=0)
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), np.nan)


def _farthest(material: Material, group: Group) -> int:
    """The largest distance before a peak at which anything of a group was measured."""
    ablations, peaks = material.ablations[group], material.groups[group].position
    found = [0]
    for mode in MODES:
        n_measured = np.diff(getattr(ablations, f"{mode}_indptr"))
        positions = getattr(ablations, f"{mode}_position")
        distances = np.repeat(peaks[ablations.rank], n_measured).astype(np.int64) - positions
        found.append(int(distances.max(initial=0)))
    return max(found)


def _examples(material: Material, effect: EffectOn, n_distances: int) -> Iterator[ProfileExample]:
    for group, ablations in material.ablations.items():
        stored = material.groups[group]
        order = np.argsort(-ablations.baseline, kind="stable").tolist()
        bands = stored.band[ablations.rank].tolist()
        for place in order:
            row, band = int(ablations.rank[place]), bands[place]
            window = window_of(material, group, row)
            base, above_zero = _base(ablations, place, effect)
            if window is None or not base > 0:
                continue
            shares = {
                mode: found
                for mode in MODES
                if (
                    found := _shares(
                        ablations,
                        place,
                        mode,
                        "hidden_pre" if effect == "hidden_pre" and above_zero else "activation",
                        window.peak,
                        base,
                        n_distances,
                    )
                )
                is not None
            }
            if not shares:
                continue
            weight = float(stored.band_share[band]) / bands.count(band) if band >= 0 else 1.0
            yield ProfileExample(group, row, window, shares, weight, above_zero)


def _base(ablations: AblationGroup, place: int, effect: EffectOn) -> tuple[float, bool]:
    """What a change is a share of, and whether it is what was asked for."""
    baseline = float(ablations.baseline[place])
    hidden_pre = float(ablations.hidden_pre_baseline[place])
    if effect == "activation" or hidden_pre > 0:
        return (baseline if effect == "activation" else hidden_pre), True
    return baseline, False


def _shares(
    ablations: AblationGroup,
    place: int,
    mode: str,
    on: EffectOn,
    peak: int,
    base: float,
    n_distances: int,
) -> Shares | None:
    measured = measured_at(ablations, place, mode)
    if measured.position.size == 0:
        return None
    values = measured.hidden_pre_effect if on == "hidden_pre" else measured.effect
    shares = np.full(n_distances, np.nan)
    shares[peak - measured.position.astype(np.int64)] = values.astype(np.float64) / base
    shares[~np.isfinite(shares)] = np.nan
    return shares
