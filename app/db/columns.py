"""The scalars of one dictionary as columns in memory, and lists of features made from them.

Lists are answered by masks and one sort instead of by indexes: any column, both ways, any number
of filters at once. Missing values come last in either direction, ties go to the lower
feature_index, and a `next` token is bound to the list it belongs to. Reading is one SELECT; 25,000
features take 4.4 MB. Knows no page and no address.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from sqlalchemy import Connection

from app.db.cursor import BadCursor, decode_cursor, encode_cursor
from app.db.features import column_values
from app.db.records import LIVES_AS, LivesAs
from app.db.schema import SORTABLE, STUDIED


@dataclass(frozen=True)
class Range:
    """An inclusive range filter on one sortable column; None leaves a side open."""

    column: str
    low: float | None
    high: float | None


@dataclass(frozen=True)
class FeatureQuery:
    """Which features of a dictionary, in which order, how many at a time."""

    sort: str = "feature_index"
    """a column of `SORTABLE` or feature_index"""
    descending: bool = False
    ranges: tuple[Range, ...] = ()
    indices: tuple[tuple[int, int], ...] | None = None
    """only features whose index lies in one of these, both borders inclusive"""
    dead: bool | None = None
    """True: only features that never fired; False: only those that did"""
    lives_as: LivesAs = ""
    """only features that are point-like, or region-like"""
    top_token_ids: tuple[int, ...] | None = None
    """only features whose strongest token is one of these"""
    contains: str = ""
    """only features whose text holds this, whatever the case"""
    has: str = ""
    """what people wrote that is asked for; who asks brings the features, `next` is bound to it"""
    size: int = 50
    next: str | None = None
    """token of `FeaturePage.next`"""

    def identity(self) -> list[Any]:
        """What a `next` token is bound to: everything but the place and the page's size."""
        ranges = [[item.column, item.low, item.high] for item in self.ranges]
        tokens = None if self.top_token_ids is None else list(self.top_token_ids)
        filters = [ranges, self.indices, self.dead, self.lives_as, tokens, self.contains, self.has]
        return [self.sort, self.descending, filters]

    def without_range(self, column: str) -> "FeatureQuery":
        """The same query, open in one column."""
        kept = tuple(item for item in self.ranges if item.column != column)
        return replace(self, ranges=kept)


@dataclass(frozen=True)
class FeaturePage:
    """One page of a list."""

    feature_indices: list[int]
    n_matching: int
    next: str | None


class FeatureColumns:
    """Every scalar of one dictionary that lists sort or filter by, in order of feature_index."""

    def __init__(self, values: dict[str, Float[ndarray, " n"]]) -> None:
        """Takes the columns by name, NaN where a value is missing; feature_index ascending."""
        self._values = values

    def __getitem__(self, column: str) -> Float[ndarray, " n"]:
        """One column, float64, NaN where missing."""
        return self._values[column]

    @cached_property
    def measured(self) -> frozenset[str]:
        """Names of the columns, without those of studies that were skipped and those an import's
        source knows nothing of."""
        empty = {name for name in self._may_be_empty if np.isnan(self[name]).all()}
        return frozenset(self._values.keys() - empty)

    @property
    def _may_be_empty(self) -> frozenset[str]:
        """Of a dictionary that was run here only studies leave columns empty by being skipped."""
        names = STUDIED & self._values.keys()
        run_here = not np.isnan(self["decoder_norm"]).all()
        return frozenset(names if run_here else self._values.keys())

    @cached_property
    def living(self) -> Bool[ndarray, " n"]:
        """All but the features known to fire nowhere."""
        return self["n_active"] != 0

    def beside(self, feature_index: int) -> tuple[int | None, int | None]:
        """The numbers of the features before and after one, None where there is none."""
        index = self["feature_index"]
        first, last = np.searchsorted(index, [feature_index, feature_index + 1])
        before = int(index[first - 1]) if first > 0 else None
        return before, int(index[last]) if last < index.size else None

    def __len__(self) -> int:
        return self._values["feature_index"].size

    def matching(
        self, query: FeatureQuery, texts: Sequence[str] | None = None
    ) -> Bool[ndarray, " n"]:
        """Which features a query keeps.

        Args:
            texts: what `contains` looks at, one casefolded text for each feature.
        """
        kept = self.in_ranges(query.ranges)
        if query.indices is not None:
            index = self["feature_index"]
            pieces = [(index >= low) & (index <= high) for low, high in query.indices]
            kept &= np.logical_or.reduce(pieces) if pieces else np.zeros(len(self), bool)
        if query.dead is not None:
            kept &= self.living != query.dead
        if query.lives_as:
            kept &= self["lives_as"] == LIVES_AS.index(query.lives_as)
        if query.top_token_ids is not None:
            kept &= np.isin(self["top_token_id"], query.top_token_ids)
        if query.contains:
            assert texts is not None, "a query for text needs the texts"
            sought = query.contains.casefold()
            rows = np.flatnonzero(kept)
            kept[rows] = [sought in texts[row] for row in rows.tolist()]
        return kept

    def in_ranges(self, ranges: Sequence[Range]) -> Bool[ndarray, " n"]:
        """Which features lie in all of some ranges; one without a value is in no range."""
        kept = np.ones(len(self), bool)
        for item in ranges:
            column = self[item.column]
            if item.low is not None:
                kept &= column >= item.low
            if item.high is not None:
                kept &= column <= item.high
        return kept

    def ordered(
        self, query: FeatureQuery, kept: Bool[ndarray, " n"]
    ) -> Int[ndarray, " n_matching"]:
        """Every feature_index of a list, in the order of a query.

        Args:
            kept: which features the list holds, as `matching` says.
        """
        return self["feature_index"][self._rows(query, kept)].astype(np.int64)

    def select(self, query: FeatureQuery, kept: Bool[ndarray, " n"]) -> FeaturePage:
        """One page of the list of a query.

        Args:
            kept: which features the list holds, as `matching` says.

        Raises:
            BadCursor: `query.next` is damaged or belongs to another list.
        """
        rows = self._rows(query, kept)
        start = 0
        if query.next is not None:
            start = self._start_after(rows, query, decode_cursor(query.next, query.identity()))
        stop = start + query.size
        index = self["feature_index"][rows]
        token = None
        if stop < rows.size:
            value = float(self[query.sort][rows[stop - 1]])
            place = [None if np.isnan(value) else value, int(index[stop - 1])]
            token = encode_cursor(place, query.identity())
        found = index[start:stop].astype(np.int64).tolist()
        return FeaturePage(found, int(rows.size), token)

    def living_feature(self, draw: float) -> int | None:
        """The feature at the place `draw` (0 ≤ draw < 1) among those that fired, or None."""
        living = self["feature_index"][self.living]
        return int(living[int(draw * living.size)]) if living.size else None

    def _rows(self, query: FeatureQuery, kept: Bool[ndarray, " n"]) -> Int[ndarray, " m"]:
        """Stable, and NaN last whatever the sign: ties and missing values keep their order."""
        rows = np.flatnonzero(kept)
        return rows[np.argsort(self._keys(rows, query), kind="stable")]

    def _keys(self, rows: Int[ndarray, " m"], query: FeatureQuery) -> Float[ndarray, " m"]:
        values = self[query.sort][rows]
        return -values if query.descending else values

    def _start_after(self, rows: Int[ndarray, " m"], query: FeatureQuery, place: list[Any]) -> int:
        """Where in the ordered rows a page begins that follows a place, which may be no more."""
        try:
            value, index = place
            value = None if value is None else float(value)
            index = int(index)
        except (TypeError, ValueError, OverflowError) as error:
            raise BadCursor("this `next` token is damaged") from error
        keys, later = self._keys(rows, query), self["feature_index"][rows] > index
        missing = np.isnan(keys)
        if value is None:
            after = missing & later
        else:
            key = -value if query.descending else value
            after = missing | (keys > key) | ((keys == key) & later)
        return int(rows.size - np.count_nonzero(after))


def read_columns(connection: Connection, sae_id: int) -> FeatureColumns:
    """The columns of one dictionary; one SELECT over all its features."""
    names = ("feature_index", *SORTABLE, "top_token_id", "lives_as")
    return FeatureColumns(column_values(connection, sae_id, names))
