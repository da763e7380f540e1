"""Which firings of each feature are removed: its strongest ones, and some drawn from each fifth.

Fifths are the groups of equal count that examples by quantile are drawn from. The first of a fifth
is a uniform draw from its firings, so a mean that weighs each fifth by its share of them is an
unbiased estimate over all firings; further ones lie in other contexts, so that firings crowded into
few contexts count a little less. Knows no model.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from app.db.records import ExampleGroup, Group


@dataclass(frozen=True)
class ChosenFirings:
    """All firings that are removed, by context and position, then dictionary and feature."""

    sae: Int64[np.ndarray, " n"]
    """place of the dictionary among those given"""
    feature_index: Int64[np.ndarray, " n"]
    context_id: Int64[np.ndarray, " n"]
    position: Int64[np.ndarray, " n"]
    activation: Float32[np.ndarray, " n"]
    sample_rank: Int64[np.ndarray, " n"]
    """row among the examples by quantile; -1 for one that isn't of the sample"""
    top_rank: Int64[np.ndarray, " n"]
    """row among the top examples; -1 for one that is none of those asked for"""
    weight: Float32[np.ndarray, " n"]
    """share of the feature's firings that it stands for; 0 outside the sample"""


def choose_firings(
    examples: Iterable[tuple[str, int, Group, ExampleGroup]],
    saes: Sequence[str],
    n_top: int,
    n_per_fifth: int,
) -> ChosenFirings:
    """The firings of all dictionaries, each once however many groups it is in.

    `examples`: the groups top and quantile of every feature.
    """
    parts: list[np.ndarray] = [np.zeros((6, 0), np.int64)]
    values: list[np.ndarray] = [np.zeros((2, 0), np.float32)]
    for sae, feature_index, group, found in examples:
        rows = np.arange(min(n_top, len(found.position)))
        weights = np.zeros(len(found.position))
        if group == "quantile":
            rows, weights = _drawn(found, n_per_fifth)
        none = np.full(len(rows), -1)
        ranks = (rows, none) if group == "quantile" else (none, rows)
        whose = [np.full(len(rows), number) for number in (saes.index(sae), feature_index)]
        parts.append(np.stack([found.context_id[rows], found.position[rows], *whose, *ranks]))
        values.append(np.stack([found.activation[rows], weights[rows]]))
    return _each_once(np.concatenate(parts, axis=1), np.concatenate(values, axis=1))


def _each_once(
    columns: Int64[np.ndarray, "6 m"], values: Float[np.ndarray, "2 m"]
) -> ChosenFirings:
    """In order; a firing of both groups has both its ranks."""
    order = np.lexsort(columns[3::-1])
    columns, values = columns[:, order], values[:, order]
    first = np.ones(columns.shape[1], bool)
    first[1:] = (np.diff(columns[:4], axis=1) != 0).any(axis=0)
    number = np.cumsum(first) - 1
    n = int(first.sum())
    ranks, weight = np.full((2, n), -1, np.int64), np.zeros(n)
    for found, column in zip(ranks, columns[4:], strict=True):
        np.maximum.at(found, number, column)
    np.add.at(weight, number, values[1])
    context_id, position, sae, feature_index = columns[:4, first]
    return ChosenFirings(
        sae,
        feature_index,
        context_id,
        position,
        values[0, first].astype(np.float32),
        sample_rank=ranks[0],
        top_rank=ranks[1],
        weight=weight.astype(np.float32),
    )


def _drawn(
    found: ExampleGroup, n_per_fifth: int
) -> tuple[Int64[np.ndarray, " m"], Float64[np.ndarray, " n"]]:
    """The first rows of every fifth, in order of rank, and the weight of every row."""
    rows: list[int] = []
    weights = np.zeros(len(found.position))
    for band in range(len(found.band_low)):
        own = np.flatnonzero(found.band == band)[:n_per_fifth]
        rows += own.tolist()
        weights[own] = found.band_share[band] / max(len(own), 1)
    return np.array(sorted(rows), np.int64), weights
