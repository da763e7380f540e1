"""What pieces of the connections found: sums over the examples of each feature, the strongest kept.

Takes attributed batches and which feature each row is of; gives what is stored of a piece. Knows no
model.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from app.precompute.studies.connections.attribution import Attributed, Contributions
from app.precompute.studies.connections.removal import Removed
from app.stats.connections import strongest


@dataclass(frozen=True)
class Parts:
    """Sums over the examples of each feature of a piece, of one dictionary below."""

    rest: Float64[np.ndarray, "n_features 5"]
    """bias, error, uncounted, remainder, skip"""
    others: Float64[np.ndarray, "n_features 4"]
    """of features not kept: sum of positive ones, how many, sum of negative ones, how many"""
    indptr: Int64[np.ndarray, " n_features_plus_1"]
    feature_index: Int64[np.ndarray, " n"]
    """kept, feature after feature, in the order of `strongest`"""
    total: Float64[np.ndarray, " n"]
    same: Float64[np.ndarray, " n"]
    n_examples: Int64[np.ndarray, " n"]


@dataclass(frozen=True)
class Measured:
    """The connections of some features."""

    sae: str
    feature_index: Int64[np.ndarray, " n_features"]
    n_examples: Int64[np.ndarray, " n_features"]
    hidden_pre: Float64[np.ndarray, " n_features"]
    """sum over the examples"""
    below: dict[str, Parts]


@dataclass(frozen=True)
class Checked:
    """What removals did in some examples."""

    sae: str
    n_examples: int
    removed: list[Removed]
    """of each dictionary below"""


class Sums:
    """Gathers batches of the examples of some features, for one dictionary below."""

    def __init__(self, n_features: int) -> None:
        self._n_features = n_features
        self._found: list[tuple[Int64[np.ndarray, " rows"], Contributions]] = []
        self._rest = np.zeros((n_features, 5))

    def add(
        self, which: Int64[np.ndarray, " rows"], attributed: Attributed, parts: Contributions
    ) -> None:
        """A batch; `which` feature each of its rows is of, counted from 0."""
        self._found.append((which, parts))
        np.add.at(self._rest, which, _rest(attributed, parts))

    def parts(self, kept: int) -> Parts:
        """The sums over each feature's examples, and of those the `kept` strongest of each sign."""
        feature = np.concatenate([which[parts.row] for which, parts in self._found])
        upstream = np.concatenate([parts.feature_index for _, parts in self._found])
        width = int(upstream.max(initial=0)) + 1
        keys, which = np.unique(feature * width + upstream, return_inverse=True)
        given = {
            name: np.concatenate([getattr(parts, name) for _, parts in self._found])
            for name in ("total", "same")
        }
        total, same = (np.bincount(which, given[name], len(keys)) for name in ("total", "same"))
        n_examples = np.bincount(which, minlength=len(keys))
        bounds = np.searchsorted(keys, width * np.arange(self._n_features + 1))
        entries, others = [], np.zeros((self._n_features, 4))
        for row in range(self._n_features):
            own = slice(bounds[row], bounds[row + 1])
            chosen = strongest(keys[own] % width, total[own], kept)
            entries.append(own.start + chosen.entry)
            others[row] = (
                *(chosen.rest_positive, chosen.n_rest_positive),
                *(chosen.rest_negative, chosen.n_rest_negative),
            )
        entry = np.concatenate(entries)
        return Parts(
            rest=self._rest,
            others=others,
            indptr=np.cumsum([0, *map(len, entries)]),
            feature_index=keys[entry] % width,
            total=total[entry],
            same=same[entry],
            n_examples=n_examples[entry],
        )


def _rest(attributed: Attributed, parts: Contributions) -> Float64[np.ndarray, "rows 5"]:
    """Bias, error, uncounted tokens, what is missing to `hidden_pre` then, and the linear skip."""
    features = np.bincount(parts.row, parts.total, len(parts.bias))
    explained = features + parts.bias + parts.error + parts.uncounted + parts.skip
    remainder = attributed.hidden_pre - explained
    return np.stack([parts.bias, parts.error, parts.uncounted, remainder, parts.skip], axis=1)
