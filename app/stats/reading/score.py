"""A reading against the firings: how often it is right, how much it catches, and where.

Takes the places where it says yes and the feature's events, both over the same ground, gives counts
and their ratios. Knows neither the reading nor a text.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from app.stats.events import FeatureEvents
from app.stats.histogram import equal_width_edges
from app.stats.reading.ground import Ground

N_BANDS = 5
"""Bands of equal width over (0, largest activation], as those of the interval examples."""


@dataclass(frozen=True)
class Score:
    """Counts over the counted tokens of the ground; a ratio without a base is None."""

    n_tokens: int
    """counted tokens looked at: the N of everything here"""
    n_says_yes: int
    n_fires: int
    n_both: int
    mass: float
    """sum of the activations"""
    mass_both: float
    """of it, where the reading says yes"""
    band_edges: list[float]
    """the six borders of the bands, from 0 to the feature's largest activation"""
    band_n_fires: list[int]
    """firings in each band, the weakest band first; a value on a border is in the lower band"""
    band_n_both: list[int]
    """of them, where the reading says yes"""

    @property
    def precision(self) -> float | None:
        """Share of the places it says yes to on which the feature fires."""
        return _ratio(self.n_both, self.n_says_yes)

    @property
    def recall(self) -> float | None:
        """Share of the firings it says yes to."""
        return _ratio(self.n_both, self.n_fires)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall: 2 · both / (says yes + fires)."""
        return _ratio(2 * self.n_both, self.n_says_yes + self.n_fires)

    @property
    def mass_share(self) -> float | None:
        """Share of the activation mass on tokens it says yes to."""
        return _ratio(self.mass_both, self.mass)

    @property
    def density(self) -> float | None:
        """What precision would be if yes were said at random."""
        return _ratio(self.n_fires, self.n_tokens)

    @property
    def n_missed(self) -> int:
        """Fires though the reading says no."""
        return self.n_fires - self.n_both

    @property
    def n_silent(self) -> int:
        """Silent though the reading says yes."""
        return self.n_says_yes - self.n_both


def score_reading(
    says_yes: Bool[np.ndarray, " n_places"], events: FeatureEvents, ground: Ground
) -> Score:
    """Compares where a reading says yes with where the feature fires.

    Args:
        says_yes: True at counted places only.
    """
    inside = places_inside(events, ground)
    activation = events.activation[: inside.size].astype(np.float64)
    both = says_yes[inside]
    largest = float(events.activation.max()) if events.n_active else 0.0
    edges = equal_width_edges(largest, N_BANDS)
    band = np.searchsorted(edges[1:-1], activation, side="left")
    return Score(
        n_tokens=ground.n_counted,
        n_says_yes=int(np.count_nonzero(says_yes)),
        n_fires=inside.size,
        n_both=int(np.count_nonzero(both)),
        mass=float(activation.sum()),
        mass_both=float(activation[both].sum()),
        band_edges=edges.tolist(),
        band_n_fires=np.bincount(band, minlength=N_BANDS).tolist(),
        band_n_both=np.bincount(band[both], minlength=N_BANDS).tolist(),
    )


def places_inside(events: FeatureEvents, ground: Ground) -> Int64[np.ndarray, " n"]:
    """Places of the events that lie on the ground: the first ones of all."""
    return events.places[: int(np.searchsorted(events.places, ground.n_places))]


def _ratio(part: int | float, whole: int | float) -> float | None:
    return part / whole if whole else None
