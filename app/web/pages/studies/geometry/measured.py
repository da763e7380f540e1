"""A dictionary's geometry as the page looks at it: the stored record and columns under a view.

Takes the record, the columns and the view; gives values and masks. Makes no text.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from app.db.columns import FeatureColumns
from app.db.study_records.geometry import ALIGNED_FROM, RANKS, Geometry
from app.stats.directions import clusters
from app.web.pages.studies.geometry.view import GeometryView
from app.web.ranges import parse_range


@dataclass(frozen=True)
class Measured:
    """What was measured, and what of it the view asks for."""

    found: Geometry
    columns: FeatureColumns
    view: GeometryView

    @property
    def living(self) -> Bool[ndarray, " d_sae"]:
        """Which features fired at all."""
        return self.columns.living

    @property
    def aligned(self) -> Bool[ndarray, " d_sae"]:
        """Which features are mostly one entry."""
        with np.errstate(invalid="ignore"):
            return self.found.neuron_cosine >= ALIGNED_FROM

    @property
    def among(self) -> Bool[ndarray, " d_sae"]:
        """The features the histograms are over."""
        if self.view.among == "all":
            return np.ones(len(self.columns), np.bool_)
        return self.living if self.view.among == "living" else self.living & ~self.aligned

    @property
    def cosine(self) -> Float[ndarray, " d_sae"]:
        """To the neighbour of the rank asked for."""
        return self.found.cosine[self.place].astype(np.float64)

    @property
    def place(self) -> int:
        """Of the rank asked for, in the record."""
        return RANKS.index(int(self.view.rank))

    @property
    def band(self) -> Bool[ndarray, " d_sae"]:
        """The features asked for whose cosine lies in the range of the address."""
        low, high = parse_range(self.view.cosine)
        cosine, kept = self.cosine, self.among & np.isfinite(self.cosine)
        if low is not None:
            kept &= cosine > low
        if high is not None:
            kept &= cosine <= high
        return kept

    def hubs(self, asked: Bool[ndarray, " d_sae"], most: int) -> list[tuple[int, int]]:
        """(feature, times it is the nearest neighbour of those asked), the most frequent first, of
        equal ones the lower feature."""
        index: Int[ndarray, " n"] = self.found.nearest_index[asked]
        times = np.bincount(index[index >= 0], minlength=1)
        order = np.argsort(-times, kind="stable")[:most]
        return [(int(i), int(times[i])) for i in order if times[i]]

    def n_hubs(self, asked: Bool[ndarray, " d_sae"]) -> int:
        """Different nearest neighbours of those asked."""
        index = self.found.nearest_index[asked]
        return int(np.unique(index[index >= 0]).size)

    def clusters(self) -> list[list[int]]:
        """Living features that pairs at least as near as the view asks join, the largest first."""
        kept = self.found.near_cosine >= np.float32(self.view.near)
        return clusters(self.found.near_first, self.found.near_second, kept)

    def weakest(self, members: list[int]) -> float:
        """The lowest cosine that a cluster needs to hang together."""
        inside = np.isin(self.found.near_first, members)
        inside &= self.found.near_cosine >= np.float32(self.view.near)
        return float(self.found.near_cosine[inside].min())
