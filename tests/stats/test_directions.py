"""Directions against what a reader would compute by hand."""

from itertools import combinations

import numpy as np
import pytest

from app.stats.directions import clusters, entry_shares, nearest, pair_moments, times_nearest


def test_nearest_of_three_ranks() -> None:
    rows = np.array([[1.0, 0.0], [2.0, 0.2], [0.0, 3.0], [-1.0, 0.0]])
    index, cosine = nearest(rows, (1, 3, 4))
    assert index.tolist() == [1, 0, 1, 2]
    assert cosine[0, 3] == 0
    assert cosine[1, 0] == -1
    assert np.isnan(cosine[2]).all()


def test_a_single_direction_has_no_neighbour() -> None:
    index, cosine = nearest(np.ones((1, 3)), (1,))
    assert index.tolist() == [-1]
    assert np.isnan(cosine).all()


def test_moments_are_those_of_the_list_of_pairs() -> None:
    rows = np.random.default_rng(0).standard_normal((9, 4))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    listed = [float(unit[a] @ unit[b]) for a, b in combinations(range(9), 2)]
    found = pair_moments(
        9, float(np.square(unit.sum(axis=0)).sum()), float(np.square(unit.T @ unit).sum())
    )
    assert found == pytest.approx((np.mean(listed), np.var(listed)))
    assert pair_moments(1, 1.0, 1.0) == (None, None)


def test_shares_of_entries() -> None:
    index, (largest, two, of_length) = entry_shares(np.array([[3.0, 0, -4], [0, 0, 0]]), k=2)
    assert index[0] == 2
    assert largest[0] == pytest.approx(4 / 7)
    assert two[0] == pytest.approx(1)
    assert of_length[0] == pytest.approx(0.8)
    assert np.isnan([largest[1], two[1], of_length[1]]).all()


def test_clusters_are_what_pairs_join() -> None:
    first, second = np.array([5, 1, 7, 2]), np.array([6, 2, 8, 9])
    assert clusters(first, second, np.ones(4, bool)) == [[1, 2, 9], [5, 6], [7, 8]]
    assert clusters(first, second, np.array([True, True, False, False])) == [[1, 2], [5, 6]]
    assert clusters(first[:0], second[:0], np.zeros(0, bool)) == []


def test_only_those_asked_count() -> None:
    nearest_index, asked = np.array([1, 0, 1, -1]), np.array([True, True, False, True])
    assert times_nearest(nearest_index, asked).tolist() == [1, 1, 0, 0]
