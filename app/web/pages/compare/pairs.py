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
from app.web.feature_numbers import Named
from app.web.pages.feature.material import Material


@dataclass(frozen=True)
class Pair:
    """Two features; NaN where something is not known."""

    first: Named
    second: Named
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
    corpora: int = 1
    """how many there are: joint firings are known within one alone"""
    hooks: int = 1
    """how many are read: cosines are known within one alone"""


def build_pairs(
    materials: Sequence[Material],
    directions: Mapping[Named, Float32[ndarray, " d_out"]],
    events: Mapping[Named, FeatureEvents] | None,
) -> Pairs:
    """Pairs in the order the features were named."""
    rows = [
        _pair(first, second, directions, events) for first, second in combinations(materials, 2)
    ]
    corpus = materials[0].sae.corpus
    listed = [m.panels.coactive.n_tokens for m in materials if m.panels.coactive is not None]
    n_tokens = corpus.n_tokens if events is not None else (listed[0] if listed else None)
    return Pairs(
        rows,
        n_tokens,
        events is not None,
        bool(directions),
        len({material.sae.corpus_id for material in materials}),
        len({material.sae.record.output_hook for material in materials}),
    )


def _pair(
    first: Material,
    second: Material,
    directions: Mapping[Named, Float32[ndarray, " d_out"]],
    events: Mapping[Named, FeatureEvents] | None,
) -> Pair:
    a, b = first.named, second.named
    cosine = _cosine(first, second, directions)
    unknown = Pair(a, b, cosine, None, math.nan, math.nan, math.nan, math.nan)
    if first.sae.corpus_id != second.sae.corpus_id:
        return unknown
    if events is not None:
        both = overlap(events[a], events[b], first.sae.corpus.n_counted)
        return Pair(
            a, b, cosine, both.n_joint, both.jaccard, both.lift,
            both.second_given_first, both.first_given_second,
        )  # fmt: skip
    if first.sae.sae_id != second.sae.sae_id:
        return unknown
    return _listed(first, second, cosine, False) or _listed(second, first, cosine, True) or unknown


def _listed(material: Material, other: Material, cosine: float, turned: bool) -> Pair | None:
    """The pair as the list of a feature's partners has it; None where it isn't among them."""
    panel = material.panels.coactive
    index = other.record.feature_index
    place = [] if panel is None else np.flatnonzero(panel.feature_index == index)
    if panel is None or len(place) == 0:
        return None
    i = int(place[0])
    given = float(panel.p_other_given_this[i]), float(panel.p_this_given_other[i])
    a, b = (other, material) if turned else (material, other)
    return Pair(
        a.named, b.named, cosine, int(panel.n_joint[i]), float(panel.jaccard[i]),
        float(panel.lift[i]), *(given[::-1] if turned else given),
    )  # fmt: skip


def _cosine(
    first: Material, second: Material, directions: Mapping[Named, Float32[ndarray, " d_out"]]
) -> float:
    """Of the stored directions; else as one's nearest features have it; else unknown, as it is for
    features that write different hooks."""
    a, b = first.named, second.named
    if first.sae.record.output_hook != second.sae.record.output_hook:
        return math.nan
    if a in directions and b in directions and directions[a].shape == directions[b].shape:
        return float(directions[a].astype(np.float64) @ directions[b].astype(np.float64))
    if first.sae.sae_id != second.sae.sae_id:
        return math.nan
    for material, other in ((first, second), (second, first)):
        panel, index = material.panels.neighbors, other.record.feature_index
        if panel is not None and (panel.feature_index == index).any():
            return float(panel.cosine_similarity[panel.feature_index == index][0])
    return math.nan
