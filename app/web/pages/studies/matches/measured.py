"""Two dictionaries under a view: values, masks and orders of the features of the first.

Takes the two records, the columns of the first and the view. Makes no text.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from app.db.columns import FeatureColumns
from app.db.study_records.matches import Matches
from app.web.pages.studies.matches.view import MatchesView
from app.web.ranges import parse_range


@dataclass(frozen=True)
class Measured:
    """What was measured, and what of it the view asks for."""

    found: Matches
    """of this one's features among the other's"""
    back: Matches
    """of the other's among this one's"""
    columns: FeatureColumns
    other_columns: FeatureColumns
    view: MatchesView

    @property
    def living(self) -> Bool[ndarray, " d_sae"]:
        """This one's features that fired."""
        return self.columns.living

    @property
    def other_living(self) -> Bool[ndarray, " d_other"]:
        """The other's."""
        return self.other_columns.living

    @property
    def has_one_to_one(self) -> bool:
        """Whether the job matched them one to one."""
        return self.found.one_to_one.size > 0

    @property
    def one_to_one(self) -> bool:
        """Whether that matching is shown."""
        return self.view.matching == "one-to-one" and self.has_one_to_one

    @property
    def match(self) -> Int[ndarray, " d_sae"]:
        """The other's feature; −1 where the matching has none."""
        return self.found.one_to_one if self.one_to_one else self.found.best_index

    @property
    def cosine(self) -> Float[ndarray, " d_sae"]:
        """To it; NaN without one."""
        shown = self.found.one_to_one_cosine if self.one_to_one else self.found.cosine
        return shown.astype(np.float64)

    @property
    def near(self) -> float:
        """Cosine from which a feature has a match."""
        return float(np.float32(self.view.near))

    @property
    def n_matched(self) -> int:
        """This one's living features with a match among all of the other."""
        return int((self.found.cosine[self.living] >= self.near).sum())

    @property
    def n_other_matched(self) -> int:
        """The other's living features with a match among all of this one."""
        return int((self.back.cosine[self.other_living] >= self.near).sum())

    @property
    def mutual(self) -> Bool[ndarray, " d_sae"]:
        """Features that are the best match of their best match."""
        return self.back.best_index[self.found.best_index] == np.arange(len(self.columns))

    def listed(self) -> Int[ndarray, " n"]:
        """Living features of the view, in its order; ties go to the lower feature, those without a
        match come last."""
        low, high = parse_range(self.view.cosine)
        cosine, kept = self.cosine, self.living.copy()
        if low is not None:
            kept &= cosine > low
        if high is not None:
            kept &= cosine <= high
        index = np.flatnonzero(kept)
        column = self.view.sort.removeprefix("-")
        values = {"cosine": cosine, "density": self.columns["density"]}.get(column)
        if values is None:
            return index
        keys = -values[index] if self.view.sort.startswith("-") else values[index]
        return index[np.argsort(keys, kind="stable")]
