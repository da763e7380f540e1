"""What geometry and matches found agrees with the features, and with the decoder rows if kept.

Takes a connection, gives contradictions as sentences. Of the decoder rows a few features of each
dictionary are looked at: their cosines to all others are computed anew.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Integer
from numpy import ndarray
from sqlalchemy import Connection, select

from app.db import schema
from app.db.checks.rows import address
from app.db.directions import all_directions
from app.db.features import column_values
from app.db.matches import load_matches
from app.db.studies import get_study
from app.db.study_records.geometry import NEAR, Geometry
from app.db.study_records.matches import Matches

TOLERANCE = 0.002
"""Of cosines: decoder rows are kept in half precision."""
LOOKED_AT = 16
"""Features of a dictionary whose cosines are computed anew."""


def geometry_problems(connection: Connection) -> Iterator[str]:
    """Neighbours, hubs, near-duplicates of every dictionary that was studied."""
    for row in connection.execute(select(schema.sae)).all():
        found = get_study(connection, Geometry, row.sae_id)
        if found is None:
            continue
        names = ["n_active", "nearest_cosine", "times_nearest"]
        columns = column_values(connection, row.sae_id, names)
        rows = all_directions(connection, row.sae_id)
        for problem in _of_one(found, columns, rows):
            yield f"{address(row)}: geometry: {problem}"


def match_problems(connection: Connection) -> Iterator[str]:
    """Best matches of every two dictionaries that were compared, both ways."""
    saes = {row.sae_id: row for row in connection.execute(select(schema.sae)).all()}
    for sae_id, row in saes.items():
        living = column_values(connection, sae_id, ["n_active"])["n_active"] > 0
        own = all_directions(connection, sae_id)
        for other, (found, back) in load_matches(connection, sae_id).pairs.items():
            theirs = all_directions(connection, other)
            said = f"{address(row)}: matches in {saes[other].sae}:"
            problems = list(_of_two(found, back, living))
            if own is not None and theirs is not None and not problems:
                problems = list(_anew(own, theirs, found.best_index, found.cosine, None))
            for problem in problems:
                yield f"{said} {problem}"


def _of_one(found: Geometry, columns: dict[str, ndarray], rows: Any) -> Iterator[str]:
    d_sae, living = columns["n_active"].size, columns["n_active"] > 0
    index = found.nearest_index
    if index.size != d_sae or found.cosine.shape[1] != d_sae:
        yield f"it speaks of {index.size} features, there are {d_sae}."
        return
    if (index >= d_sae).any() or (index == np.arange(d_sae)).any():
        yield "a nearest neighbour is no other feature."
        return
    if not np.allclose(columns["nearest_cosine"], found.cosine[0], equal_nan=True):
        yield "the column nearest_cosine is not the cosine to the nearest."
    if (np.diff(found.cosine, axis=0) > 1e-6).any() or (np.abs(found.cosine) > 1).any():
        yield "a farther neighbour is nearer, or a cosine is above one."
    votes = np.bincount(index[living & (index >= 0)], minlength=d_sae)
    if not np.array_equal(columns["times_nearest"], votes):
        yield "the column times_nearest does not count the nearest neighbours."
    yield from _near(found, living)
    if rows is not None:
        yield from _anew(rows, rows, index, found.cosine[0], index)


def _near(found: Geometry, living: Bool[ndarray, " d_sae"]) -> Iterator[str]:
    ends = np.concatenate([found.near_first, found.near_second])
    if ends.size and (ends.max() >= living.size or not living[ends].all()):
        yield "near-duplicates are not living features."
    elif found.near_first.size >= max(living.size, 1):
        yield "the forest of near-duplicates has as many pairs as features."
    if (found.near_cosine < np.float32(NEAR[0])).any():
        yield f"a pair of near-duplicates is below {NEAR[0]}."
    if (np.diff(found.n_near_pairs) > 0).any():
        yield "a higher threshold has more near pairs."


def _of_two(found: Matches, back: Matches, living: Bool[ndarray, " n"]) -> Iterator[str]:
    if found.best_index.size != living.size:
        yield f"{found.best_index.size} features are matched, there are {living.size}."
        return
    if (found.best_index < 0).any() or (found.best_index >= back.best_index.size).any():
        yield "a match is no feature of the other."
        return
    mean = float(found.cosine[living].astype(np.float64).mean()) if living.any() else None
    if found.n_living != living.sum() or not np.isclose(found.mmcs or 0.0, mean or 0.0, atol=1e-6):
        yield "MMCS is not the mean over the living features."
    # What is nearest to b is as near to b as b's nearest is, or nearer.
    if (back.cosine[found.best_index] < found.cosine - 1e-5).any():
        yield "a match is nearer than the nearest seen from the other side."
    held = np.flatnonzero(found.one_to_one >= 0)
    if not np.array_equal(back.one_to_one[found.one_to_one[held]], held):
        yield "the one-to-one matching is not the same from the other side."
    if not living[held].all():
        yield "a dead feature is matched one to one."


def _anew(
    own: Any,
    others: Any,
    index: Integer[ndarray, " n"],
    cosine: Float32[ndarray, " n"],
    without: Integer[ndarray, " n"] | None,
) -> Iterator[str]:
    """Cosines of some features by the rows kept; `without` says that a row is among the others."""
    if own.ndim != 2 or others.ndim != 2 or own.shape[1] != others.shape[1]:
        return
    looked = np.unique(np.linspace(0, len(own) - 1, LOOKED_AT).astype(int))
    looked = looked[index[looked] >= 0]
    every = np.asarray(others, np.float32)
    for feature in looked.tolist():
        found = every @ np.asarray(own[feature], np.float32)
        if without is not None:
            found[feature] = -np.inf
        best, said = float(found.max()), float(cosine[feature])
        if abs(best - said) > TOLERANCE or abs(float(found[index[feature]]) - said) > TOLERANCE:
            yield (
                f"feature {feature}: the nearest is {index[feature]} at {said:.4f}; by the decoder "
                f"rows it is {int(found.argmax())} at {best:.4f}."
            )
