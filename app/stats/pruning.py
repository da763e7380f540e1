"""Which features a dictionary is pruned of, step by step: dense ones, rare ones, random ones.

Takes how often each feature fires, gives orders of removal and the steps at which to measure. All
orders meet the same levels of L0 as nearly as whole features allow, so that what dense or rare
features are worth can be read beside random ones. L0 after a step is exact: Σ n_active of what is
left / N. Knows neither activations nor what pruning costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from app.stats.hashing import place_hashes

RANDOM_STREAM = 20
"""Tells these draws from others of the same seed; every draw adds one."""


@dataclass(frozen=True)
class Ladder:
    """Living features in the order they are removed, and where it is stopped to measure."""

    order: Int64[ndarray, " n_living"]
    n_removed: Int64[ndarray, " n_steps"]
    """the first so many of them are removed; ascending"""
    level: Int64[ndarray, " n_steps"]
    """the level of L0 each step stands for, ascending"""
    l0: Float64[ndarray, " n_steps"]
    """after the step, over the whole corpus"""

    def removed(self, step: int) -> Int64[ndarray, " n"]:
        """The features that are gone at a step."""
        return self.order[: self.n_removed[step]]


@dataclass(frozen=True)
class Plan:
    """What is measured of one dictionary."""

    l0: float
    """with all features"""
    levels: Float64[ndarray, " n_levels"]
    """of L0, falling"""
    dense: Ladder
    """the densest first; features of equal density go together"""
    rare: Ladder
    """the rarest first, likewise"""
    random: tuple[Ladder, ...]
    """one for each draw; every level has its step"""


def make_plan(
    n_active: Int64[ndarray, " d_sae"],
    n_tokens: int,
    *,
    n_levels: int,
    n_draws: int,
    seed: int,
    wanted: Sequence[float] = (),
) -> Plan:
    """The steps for a dictionary; no more than `n_levels` of each order.

    A level of L0 lies where removing dense features can reach it, where that is near. Steps that
    whole features can't tell apart are one, so there may be fewer, for few features none.

    Args:
        n_active: firings of each feature over the whole corpus; features without any stay out.
        n_tokens: counted tokens, N.
        wanted: values of L0 that should be hit (those of other dictionaries); of the levels the
            nearest one is moved onto each, from the largest on. Others than (0, L0) are ignored.
    """
    living = np.flatnonzero(n_active)
    falling = living[np.argsort(-n_active[living], kind="stable")]
    l0 = float(n_active.sum() / n_tokens)
    levels = _nominal(l0, n_levels, wanted)
    dense_cuts = _cuts(n_active[falling])
    reachable = _left(n_active[falling], n_tokens)[dense_cuts]
    cut = _matched(levels, reachable)
    on = np.flatnonzero(cut >= 0)
    levels[on] = reachable[cut[on]]
    dense = _ladder(falling, n_active, n_tokens, dense_cuts[cut[on]], on)
    rising = falling[::-1].copy()
    rare_cuts = _cuts(n_active[rising])
    cut = _matched(levels, _left(n_active[rising], n_tokens)[rare_cuts])
    on = np.flatnonzero(cut >= 0)
    rare = _ladder(rising, n_active, n_tokens, rare_cuts[cut[on]], on)
    random = []
    for draw in range(n_draws if living.size else 0):
        hashes = place_hashes(seed, RANDOM_STREAM + draw, living, np.zeros_like(living))
        order = living[np.argsort(hashes, kind="stable")]
        steps = _nearest(_left(n_active[order], n_tokens), levels)
        random.append(_ladder(order, n_active, n_tokens, steps, np.arange(levels.size)))
    return Plan(l0, levels, dense, rare, tuple(random))


def removed_levels(n_levels: int) -> Float64[ndarray, " n_levels"]:
    """The shares of L0 that go: (k / (n + 1))², so that steps are finer where little is gone."""
    return np.square(np.arange(1, n_levels + 1) / (n_levels + 1))


def thresholds(
    ladder: Ladder, n_active: Int64[ndarray, " d_sae"], n_tokens: int
) -> Float64[ndarray, " n_steps"]:
    """For each step of the dense or the rare ladder the density that parts what goes from what
    stays: the shortest decimal between the two, equal to neither."""
    counts = n_active[ladder.order]
    found = []
    for n in ladder.n_removed:
        low, high = sorted((int(counts[n - 1]), int(counts[n])))
        found.append(shortest_between(Fraction(low, n_tokens), Fraction(high, n_tokens)))
    return np.array(found, dtype=np.float64)


def shortest_between(low: Fraction, high: Fraction) -> float:
    """The number with the fewest decimals strictly between two, of these the one nearest to the
    middle.

    Raises:
        ValueError: there is nothing between them.
    """
    if not low < high:
        raise ValueError(f"nothing lies between {low} and {high}")
    scale = 1
    while True:
        first = low * scale // 1 + 1
        last = -(-(high * scale) // 1) - 1
        if first <= last:
            middle = round((low + high) / 2 * scale)
            return float(Fraction(min(max(middle, first), last), scale))
        scale *= 10


def _nominal(l0: float, n_levels: int, wanted: Sequence[float]) -> Float64[ndarray, " n_levels"]:
    """The levels before features are looked at, falling."""
    levels = l0 * (1 - removed_levels(n_levels))
    free = np.ones(n_levels, dtype=np.bool_)
    for value in sorted(wanted, reverse=True):
        if 0 < value < l0 and free.any():
            nearest = np.flatnonzero(free)[np.abs(levels[free] - value).argmin()]
            levels[nearest], free[nearest] = value, False
    return np.sort(levels)[::-1].copy()


def _cuts(counts: Int64[ndarray, " n_living"]) -> Int64[ndarray, " n_cuts"]:
    """After how many features a threshold can stand: where the density changes. Never all."""
    return np.flatnonzero(counts[1:] != counts[:-1]) + 1


def _left(
    counts: Int64[ndarray, " n_living"], n_tokens: int
) -> Float64[ndarray, " n_living_plus_one"]:
    """L0 after the first 0, 1, 2 … features are gone."""
    gone = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return (gone[-1] - gone) / n_tokens


def _matched(
    levels: Float64[ndarray, " n_levels"], reachable: Float64[ndarray, " n_cuts"]
) -> Int64[ndarray, " n_levels"]:
    """The cut nearest to each level, if no other level is nearer to that cut; else −1."""
    if not reachable.size:
        return np.full(levels.size, -1)
    cut = _nearest(reachable, levels)
    back = np.abs(reachable[cut][:, None] - levels[None, :]).argmin(axis=1)
    return np.where(back == np.arange(levels.size), cut, -1)


def _nearest(
    falling: Float64[ndarray, " n"], levels: Float64[ndarray, " n_levels"]
) -> Int64[ndarray, " n_levels"]:
    """The index whose value is nearest to each level, ties to the earlier one."""
    after = np.searchsorted(-falling, -levels)
    before, after = np.maximum(after - 1, 0), np.minimum(after, falling.size - 1)
    nearer = np.abs(falling[after] - levels) < np.abs(falling[before] - levels)
    return np.where(nearer, after, before)


def _ladder(
    order: Int64[ndarray, " n_living"],
    n_active: Int64[ndarray, " d_sae"],
    n_tokens: int,
    n_removed: Int64[ndarray, " n_steps"],
    level: Int64[ndarray, " n_steps"],
) -> Ladder:
    return Ladder(order, n_removed, level, _left(n_active[order], n_tokens)[n_removed])
