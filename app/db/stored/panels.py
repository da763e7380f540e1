"""How the panels of a feature lie in the file: all in one blob, what follows from other numbers
left out.

The shares of partners follow from counts, the edges of the logit histogram from its first and last:
both come back bit for bit. Knows no table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from app.db.records import (
    CoactivePanel,
    FeaturePanels,
    HistogramPanel,
    LocalityPanel,
    LogitLensPanel,
    NeighborPanel,
    PlacesPanel,
    TokenPanel,
)
from app.db.stored.compact import Counts, Exact, Rounded, unpack
from app.db.stored.packing import Columns, Ragged, owners, pack_many, runs


@dataclass(frozen=True)
class StoredLens:
    """`LogitLensPanel` without the edges that follow from others."""

    raw_positive_ids: Counts
    raw_positive: Rounded
    raw_negative_ids: Counts
    raw_negative: Rounded
    adjusted_positive_ids: Counts
    adjusted_positive: Rounded
    adjusted_negative_ids: Counts
    adjusted_negative: Rounded
    histogram_ends: Exact
    """the first and the last edge; every edge where there are fewer than two"""
    histogram_error: Counts
    """by how many float32 numbers each edge lies above the straight line between the two"""
    histogram_counts: Counts
    mean: float
    std: float
    skewness: float
    kurtosis: float


@dataclass(frozen=True)
class StoredCoactive:
    """`CoactivePanel` as counts."""

    feature_index: Counts
    n_joint: Counts
    n_this: int
    """tokens on which the feature fires"""
    n_other: Counts
    """tokens on which each partner does"""
    n_tokens: int
    odd_shares: Exact
    """jaccard, lift and both conditionals one after the other, where counts don't give them"""


_KINDS = (
    HistogramPanel,
    StoredLens,
    TokenPanel,
    LocalityPanel,
    PlacesPanel,
    NeighborPanel,
    StoredCoactive,
)
"""In the order of `FeaturePanels`."""


def pack_panels(features: Sequence[FeaturePanels]) -> list[bytes]:
    """One blob of all panels of each feature."""
    names = [field.name for field in fields(FeaturePanels)]
    return pack_many(
        *(
            _FOLDED.get(kind, partial(Columns.of, kind))(list(map(attrgetter(name), features)))
            for name, kind in zip(names, _KINDS, strict=True)
        )
    )


def unpack_panels(blob: bytes) -> FeaturePanels:
    """What `pack_panels` packed: measurements to 16 significant bits, all else exactly."""
    histogram, lens, tokens, locality, places, neighbors, coactive = unpack(_KINDS, blob)
    return FeaturePanels(
        histogram,
        None if lens is None else _unfold_lens(lens),
        tokens,
        locality,
        places,
        neighbors,
        None if coactive is None else _unfold_coactive(coactive),
    )


def unpack_tokens(blob: bytes) -> TokenPanel | None:
    """The token panel alone, in half the time: nothing else is unfolded."""
    return unpack(_KINDS, blob)[_KINDS.index(TokenPanel)]


def _fold_lens(panels: Sequence[LogitLensPanel | None]) -> Columns:
    columns = Columns.of(LogitLensPanel, panels)
    if not columns.fields:
        return columns
    found = dict(columns.fields)
    edges = found.pop("histogram_edges")
    assert isinstance(edges, Ragged)
    first, last = edges.starts, edges.starts + edges.sizes - 1
    ends = np.stack([first, last], axis=1)[np.stack([edges.sizes > 0, edges.sizes > 1], axis=1)]
    n_errors = np.where(edges.sizes > 1, edges.sizes, 0)
    of_edge, rows = owners(n_errors), runs(first, n_errors)
    low, high = edges.values[first[of_edge]], edges.values[last[of_edge]]
    line = _line(low, high, rows - first[of_edge], edges.sizes[of_edge])
    error = _order(edges.values[rows]) - _order(line)
    found["histogram_ends"] = Ragged(edges.values[ends], np.minimum(edges.sizes, 2))
    found["histogram_error"] = Ragged(error, n_errors)
    return Columns(StoredLens, columns.present, found)


def _unfold_lens(stored: StoredLens) -> LogitLensPanel:
    values = dict(vars(stored))
    edges, error = values.pop("histogram_ends"), values.pop("histogram_error")
    if error.size:
        first, last = edges
        line = _line(first, last, np.arange(error.size), error.size)
        edges = _of_order(_order(line) + error)
    return LogitLensPanel(**values, histogram_edges=edges)


def _line(first: Any, last: Any, step: Int[ndarray, " n"], n: Any) -> Float[ndarray, " n"]:
    """The values at some steps of the straight way from the first of n to the last."""
    first, last = np.float64(first), np.float64(last)
    return (first + (last - first) * step / (n - 1)).astype(np.float32)


def _order(values: Float[ndarray, " n"]) -> Int[ndarray, " n"]:
    """The place of each number among all of float32; neighbours differ by one."""
    bits = values.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(2**31) - bits, bits)


def _of_order(places: Int[ndarray, " n"]) -> Float[ndarray, " n"]:
    bits = np.where(places < 0, -(2**31) - places, places)
    return bits.astype(np.int32).view(np.float32)


_SHARES = ("jaccard", "lift", "p_other_given_this", "p_this_given_other")


def _fold_coactive(panels: Sequence[CoactivePanel | None]) -> Columns:
    columns = Columns.of(CoactivePanel, panels)
    if not columns.fields:
        return columns
    found: dict[str, Any] = dict(columns.fields)
    shares = np.stack([found.pop(name).values for name in _SHARES])
    joint, sizes, starts = found["n_joint"].values, found["n_joint"].sizes, found["n_joint"].starts
    owner = owners(sizes)
    counted = sizes > 0
    counted[owner[(joint <= 0) | (shares[2:] <= 0).any(axis=0)]] = False
    given_this, given_other = np.where(counted[owner], shares[2:], 1).astype(np.float64)
    n_this = np.zeros(sizes.size, np.int64)
    n_this[counted] = np.rint(joint[starts[counted]] / given_this[starts[counted]])
    n_other = np.where(counted[owner], np.rint(joint / given_other), 0).astype(np.int64)
    follows = _shares(joint, n_this[owner], n_other, found["n_tokens"][owner])
    odd = np.zeros(sizes.size, np.bool_)
    odd[owner[(follows != shares).any(axis=0)]] = True
    n_this[odd] = 0
    bounds = [slice(starts[i], starts[i] + sizes[i]) for i in np.flatnonzero(odd)]
    odd_shares = [np.zeros(0, np.float32), *(shares[:, own].ravel() for own in bounds)]
    found["n_this"] = n_this
    found["n_other"] = Ragged(n_other[~odd[owner]], np.where(odd, 0, sizes))
    found["odd_shares"] = Ragged(np.concatenate(odd_shares), np.where(odd, 4 * sizes, 0))
    return Columns(StoredCoactive, columns.present, found)


def _unfold_coactive(stored: StoredCoactive) -> CoactivePanel:
    if stored.odd_shares.size:
        shares = stored.odd_shares.reshape(4, -1)
    else:
        n_this = np.full(stored.n_joint.size, stored.n_this)
        n_tokens = np.full(stored.n_joint.size, stored.n_tokens)
        shares = _shares(stored.n_joint, n_this, stored.n_other, n_tokens)
    return CoactivePanel(stored.feature_index, stored.n_joint, *shares, n_tokens=stored.n_tokens)


def _shares(
    joint: Int[ndarray, " n"],
    this: Int[ndarray, " n"],
    other: Int[ndarray, " n"],
    n_tokens: Int[ndarray, " n"],
) -> Float[ndarray, "4 n"]:
    """In the order of `_SHARES`; computed as `app.precompute.ranges.coactivation` does. 0 where
    this feature's firings are not known."""
    known = this > 0
    this, other = np.where(known, this, 1), np.where(known, other, 1)
    lift = joint * n_tokens / (this * other)
    found = np.stack([joint / (this + other - joint), lift, joint / this, joint / other])
    return np.where(known, found, 0).astype(np.float32)


_FOLDED: dict[type, Callable[[Any], Columns]] = {
    StoredLens: _fold_lens,
    StoredCoactive: _fold_coactive,
}

assert len(_KINDS) == len(fields(FeaturePanels))
