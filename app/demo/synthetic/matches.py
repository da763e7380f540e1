"""What the study of matches would find between invented dictionaries of one hook, from their rows.

Takes rows and which features live; gives the record of one way, by the definitions of `app.stats`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from app.db.study_records.matches import Matches, RandomMatches
from app.stats.assignment import assigned
from app.stats.directions import best_matches, unit_rows

_ASKED = 200
_MOST_ASSIGNED = 300
"""Features beyond which nothing is matched one to one, as in the job."""


@dataclass(frozen=True)
class Invented:
    """One dictionary: its rows, and which features fire."""

    rows: Float[ndarray, "n d_in"]
    living: Bool[ndarray, " n"]


def make_matches(own: Invented, other: Invented, seed: int) -> Matches:
    """Of the features of the first."""
    index, cosine = best_matches(own.rows, other.rows)
    partner, partner_cosine = _one_to_one(own, other)
    return Matches(
        best_index=index.astype(np.int32),
        cosine=cosine.astype(np.float32),
        n_living=int(own.living.sum()),
        mmcs=float(cosine[own.living].mean()) if own.living.any() else None,
        one_to_one=partner,
        one_to_one_cosine=partner_cosine,
        half_precision=False,
        random=[_chance(len(other.rows), other.rows.shape[1], seed)],
        covariance_tokens=0,
    )


def _one_to_one(own: Invented, other: Invented) -> tuple[ndarray, ndarray]:
    n = len(own.rows)
    if max(n, len(other.rows)) > _MOST_ASSIGNED:
        return np.zeros(0, np.int32), np.zeros(0, np.float32)
    partner, cosine = np.full(n, -1, np.int32), np.full(n, np.nan, np.float32)
    rows, columns = np.flatnonzero(own.living), np.flatnonzero(other.living)
    score = unit_rows(own.rows[rows]) @ unit_rows(other.rows[columns]).T
    found = assigned(score)
    held = np.flatnonzero(found >= 0)
    partner[rows[held]] = columns[found[held]]
    cosine[rows[held]] = score[held, found[held]]
    return partner, cosine


def _chance(n_others: int, d_in: int, seed: int) -> RandomMatches:
    rng = np.random.default_rng([seed, 6])
    cosine = best_matches(
        rng.standard_normal((_ASKED, d_in)), rng.standard_normal((n_others, d_in))
    )[1]
    return RandomMatches("isotropic", _ASKED, float(cosine.mean()), cosine.astype(np.float32))
