"""The examples of many features as a few long arrays, and a feature's groups as a view of them.

Statistics give all features of one group end to end, packing takes all groups of one feature after
the other: in between nobody cuts out a feature's own arrays unless somebody asks for them. Knows no
table and no packing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from jaxtyping import Bool, Float, Int, Integer, Shaped
from numpy import ndarray

from app.db.records import GROUPS, ExampleGroup, Group
from app.db.stored.packing import Ragged, runs

_WHOLE = ("context_id", "position", "band", "repeats", "window_start", "window_stop")
_REAL = ("activation", "hidden_pre")
_BANDS = ("band_low", "band_high", "band_n_active", "band_share")


@dataclass(frozen=True)
class GroupColumns:
    """One group of some features, the fields of `ExampleGroup` end to end."""

    indptr: Int[ndarray, " n_plus_1"]
    """the examples of each feature; one without any has no such group"""
    context_id: Integer[ndarray, " e"]
    position: Integer[ndarray, " e"]
    activation: Float[ndarray, " e"]
    hidden_pre: Float[ndarray, " e"]
    band: Integer[ndarray, " e"]
    repeats: Integer[ndarray, " e"]
    window_start: Integer[ndarray, " e"]
    window_stop: Integer[ndarray, " e"]
    firing_indptr: Int[ndarray, " e_plus_1"]
    firing_position: Integer[ndarray, " m"]
    firing_activation: Float[ndarray, " m"]
    band_indptr: Int[ndarray, " n_plus_1"]
    band_low: Float[ndarray, " b"]
    band_high: Float[ndarray, " b"]
    band_n_active: Integer[ndarray, " b"]
    band_share: Float[ndarray, " b"]
    n_candidates: Int[ndarray, " n"]

    def group(self, row: int) -> ExampleGroup | None:
        """That of one feature; None where it has none."""
        rows = slice(self.indptr[row], self.indptr[row + 1])
        if rows.start == rows.stop:
            return None
        indptr = self.firing_indptr[rows.start : rows.stop + 1]
        firings = slice(indptr[0], indptr[-1])
        bands = slice(self.band_indptr[row], self.band_indptr[row + 1])
        return ExampleGroup(
            **{name: getattr(self, name)[rows] for name in (*_WHOLE, *_REAL)},
            firing_indptr=indptr - indptr[0],
            firing_position=self.firing_position[firings],
            firing_activation=self.firing_activation[firings],
            **{name: getattr(self, name)[bands] for name in _BANDS},
            n_candidates=int(self.n_candidates[row]),
        )


class FeatureExamples(Mapping[Group, ExampleGroup]):
    """The groups of one feature, each cut out when it is asked for."""

    def __init__(self, columns: Mapping[Group, GroupColumns], row: int) -> None:
        self.columns = columns
        self.row = row

    def __getitem__(self, name: Group) -> ExampleGroup:
        found = self.columns[name].group(self.row)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[Group]:
        row = self.row
        return (
            name
            for name, found in self.columns.items()
            if found.indptr[row] < found.indptr[row + 1]
        )

    def __contains__(self, name: object) -> bool:
        return any(name == other for other in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class ExampleColumns:
    """All groups of some features, group after group of the first, then of the next."""

    there: Bool[ndarray, "n n_groups"]
    """whether a feature has each of GROUPS"""
    n_candidates: Int[ndarray, " g"]
    """of every group there is"""
    n_examples: Int[ndarray, " g"]
    n_bands: Int[ndarray, " g"]
    n_firings: Int[ndarray, " e"]
    values: Mapping[str, Shaped[ndarray, " _"]]
    """every other array of `ExampleGroup`, int64 or float32"""

    @classmethod
    def of(cls, features: Sequence[Mapping[Group, ExampleGroup]]) -> "ExampleColumns":
        """From the groups themselves."""
        n = len(features)
        listed = [[name in groups for name in GROUPS] for groups in features]
        held = [groups[name] for groups in features for name in GROUPS if name in groups]

        def joined(name: str) -> Ragged:
            return Ragged.of(list(map(attrgetter(name), held)), _kind(name))

        names = (*_WHOLE, *_REAL, "firing_position", "firing_activation", *_BANDS)
        found = {name: joined(name) for name in names}
        indptr = joined("firing_indptr")
        between_groups = indptr.sizes.cumsum()[:-1] - 1
        return cls(
            np.array(listed, np.bool_).reshape(n, len(GROUPS)),
            np.array([group.n_candidates for group in held], np.int64),
            found["position"].sizes,
            found["band_low"].sizes,
            np.delete(np.diff(indptr.values), between_groups),
            {name: column.values for name, column in found.items()},
        )

    @classmethod
    def of_rows(
        cls, columns: Mapping[Group, GroupColumns], rows: Int[ndarray, " n"]
    ) -> "ExampleColumns":
        """From the columns of all groups: the features in some rows of them, ascending."""
        held = [columns[name] for name in GROUPS]
        first, last = int(rows[0]), int(rows[-1]) + 1
        examples = _Places.of([found.indptr for found in held], first, last)
        bands = _Places.of([found.band_indptr for found in held], first, last)
        local = rows - first
        there = examples.sizes[local] > 0
        n_examples = examples.sizes[local][there]
        of_example = runs(examples.starts[local][there], n_examples)
        n_bands = bands.sizes[local][there]
        of_band = runs(bands.starts[local][there], n_bands)
        indptrs = [
            found.firing_indptr[part.start : part.stop + 1]
            for found, part in zip(held, examples.parts, strict=True)
        ]
        firings = [slice(int(indptr[0]), int(indptr[-1])) for indptr in indptrs]
        n_firings = np.concatenate([np.diff(indptr) for indptr in indptrs])
        of_firing = runs((n_firings.cumsum() - n_firings)[of_example], n_firings[of_example])

        def taken(name: str, parts: Sequence[slice], index: ndarray) -> ndarray:
            arrays = [getattr(found, name)[part] for found, part in zip(held, parts, strict=True)]
            return np.concatenate(arrays, dtype=_kind(name), casting="unsafe")[index]

        values = {name: taken(name, examples.parts, of_example) for name in (*_WHOLE, *_REAL)}
        for name in ("firing_position", "firing_activation"):
            values[name] = taken(name, firings, of_firing)
        for name in _BANDS:
            values[name] = taken(name, bands.parts, of_band)
        n_candidates = np.stack([found.n_candidates[rows] for found in held], axis=1)
        return cls(there, n_candidates[there], n_examples, n_bands, n_firings[of_example], values)


@dataclass(frozen=True)
class _Places:
    """Where the items of features first … last − 1 lie in the joined parts of all groups."""

    parts: list[slice]
    """of each group's array"""
    starts: Int[ndarray, "n n_groups"]
    sizes: Int[ndarray, "n n_groups"]

    @classmethod
    def of(cls, indptrs: Sequence[Int[ndarray, " _"]], first: int, last: int) -> "_Places":
        own = [indptr[first : last + 1] for indptr in indptrs]
        parts = [slice(int(indptr[0]), int(indptr[-1])) for indptr in own]
        sizes = np.stack([np.diff(indptr) for indptr in own], axis=1)
        starts = sizes.T.cumsum().reshape(sizes.T.shape).T - sizes
        return cls(parts, starts, sizes)


def _kind(name: str) -> type[np.generic]:
    whole = (*_WHOLE, "firing_position", "firing_indptr", "band_n_active")
    return np.int64 if name in whole else np.float32
