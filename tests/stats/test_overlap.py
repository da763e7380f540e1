"""Joint firings of two features against brute force over dense activations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.events import FeatureEvents
from app.stats.overlap import joint_count, overlap

SIZE = 16


def _events(active: np.ndarray, index: int = 0) -> FeatureEvents:
    context_id, position = np.nonzero(active)
    return FeatureEvents(
        index,
        context_id.astype(np.int32),
        position.astype(np.int32),
        np.ones(context_id.size, dtype=np.float32),
        SIZE,
    )


@given(st.integers(0, 2**32), st.floats(0, 1), st.floats(0, 1))
def test_counts_and_ratios_are_those_of_the_dense_masks(seed: int, p: float, q: float) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.random((5, SIZE)) < p, rng.random((5, SIZE)) < q
    found = overlap(_events(first), _events(second, 1), first.size)
    joint, either = int((first & second).sum()), int((first | second).sum())
    assert (found.n_first, found.n_second, found.n_joint) == (first.sum(), second.sum(), joint)
    if either:
        assert found.jaccard == joint / either
    if first.any() and second.any():
        assert found.lift == pytest.approx(joint / first.size / (first.mean() * second.mean()))
        assert found.second_given_first == second[first].mean()
        assert found.first_given_second == first[second].mean()


def test_features_that_never_fire_have_no_ratio() -> None:
    nothing = np.zeros((2, SIZE), dtype=bool)
    found = overlap(_events(nothing), _events(nothing), nothing.size)
    assert found.n_joint == 0
    assert math.isnan(found.jaccard) and math.isnan(found.lift)


def test_a_place_beyond_the_longer_list_is_no_match() -> None:
    assert joint_count(np.array([1, 9]), np.array([1, 2, 3])) == 1
