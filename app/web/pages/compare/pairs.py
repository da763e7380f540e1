"""Pairs of compared features: the angle between their directions, and how often both fire.

Takes the features' material, the stored directions and, where they lie beside the atlas, their
events; says of every number where it comes from. Knows no page.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from app.stats.events import FeatureEvents
from app.stats.overlap import overlap
from app.web.pages.feature.material import Material


@dataclass(frozen=True)
class Pair:
    """Two features; NaN where something is not known."""

    first: int
    second: int
    cosine: float
    n_joint: int | None
    jaccard: float
    lift: float
    second_given_first: float
    first_given_second: float


@dataclass(frozen=True)
class Pairs:
    """Every pair, and over what they were counted."""

    rows: list[Pair]
    n_tokens: int | None
    """tokens the joint firings were counted over; None where none are known"""
    exact: bool
    """counted from every firing, not looked up among the listed partners"""
    cosines: bool
    """whether directions are stored, so that every cosine is known"""


def build_pairs(
    materials: Sequence[Material],
    directions: Mapping[int, Float32[ndarray, " d_in"]],
    events: Mapping[int, FeatureEvents] | None,
) -> Pairs:
    """Pairs in the order the features were named."""
    rows = [
        _pair(first, second, directions, events) for first, second in combinations(materials, 2)
    ]
    corpus = materials[0].sae.corpus
    listed = [m.panels.coactive.n_tokens for m in materials if m.panels.coactive is not None]
    n_tokens = corpus.n_tokens if events is not None else (listed[0] if listed else None)
    return Pairs(rows, n_tokens, events is not None, bool(directions))


def _pair(
    first: Material,
    second: Material,
    directions: Mapping[int, Float32[ndarray, " d_in"]],
    events: Mapping[int, FeatureEvents] | None,
) -> Pair:
    a, b = first.record.feature_index, second.record.feature_index
    cosine = _cosine(first, second, directions)
    if events is not None:
        both = overlap(events[a], events[b], first.sae.corpus.n_tokens)
        return Pair(
            a, b, cosine, both.n_joint, both.jaccard, both.lift,
            both.second_given_first, both.first_given_second,
        )  # fmt: skip
    return _listed(first, b, a, b, cosine, False) or _listed(second, a, a, b, cosine, True) or Pair(
        a, b, cosine, None, math.nan, math.nan, math.nan, math.nan
    )  # fmt: skip


def _listed(
    material: Material, other: int, a: int, b: int, cosine: float, turned: bool
) -> Pair | None:
    """The pair as the list of a feature's partners has it; None where it isn't among them."""
    panel = material.panels.coactive
    place = [] if panel is None else np.flatnonzero(panel.feature_index == other)
    if panel is None or len(place) == 0:
        return None
    i = int(place[0])
    given = float(panel.p_other_given_this[i]), float(panel.p_this_given_other[i])
    return Pair(
        a, b, cosine, int(panel.n_joint[i]), float(panel.jaccard[i]), float(panel.lift[i]),
        *(given[::-1] if turned else given),
    )  # fmt: skip


def _cosine(
    first: Material, second: Material, directions: Mapping[int, Float32[ndarray, " d_in"]]
) -> float:
    """Of the stored directions; else as one's nearest features have it; else unknown."""
    a, b = first.record.feature_index, second.record.feature_index
    if a in directions and b in directions:
        return float(directions[a].astype(np.float64) @ directions[b].astype(np.float64))
    for material, other in ((first, b), (second, a)):
        panel = material.panels.neighbors
        if panel is not None and (panel.feature_index == other).any():
            return float(panel.cosine_similarity[panel.feature_index == other][0])
    return math.nan
