"""Everything geometry measures in blocks equals what numpy says of the whole matrix at once."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from app.db.study_records.geometry import NEAR, RANKS
from app.precompute.studies.geometry import chance, neighbours
from app.precompute.studies.geometry.activations import Covariance
from app.precompute.studies.geometry.chance import random_blocks, random_directions
from app.precompute.studies.geometry.forest import Forest, spanning_forest
from app.precompute.studies.geometry.neighbours import near_of_range
from app.precompute.studies.geometry.neurons import neurons_of
from app.precompute.studies.geometry.pairs import PairSums, pair_cosines
from app.stats.directions import clusters, entry_shares, nearest, spanning_pairs, unit_rows

CPU = torch.device("cpu")


def made(n: int, d: int, seed: int = 0) -> torch.Tensor:
    """Random rows; every fifth is nearly the one before it, one is zero."""
    rows = np.random.default_rng(seed).standard_normal((n, d))
    rows[4::5] = rows[3::5][: len(rows[4::5])] + 0.2 * rows[4::5]
    rows[n // 2] = 0
    return torch.from_numpy(rows).float()


@pytest.mark.parametrize("tile", [(3, 4), (7, 64), (64, 5)])
def test_neighbours_equal_the_whole_matrix(
    tile: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "ROWS", tile[0])
    monkeypatch.setattr(neighbours, "COLUMNS", tile[1])
    W_dec, living = made(130, 6), np.arange(130) % 7 > 0
    parts = [near_of_range(W_dec, part, living) for part in ((0, 40), (40, 41), (41, 130))]
    index, cosine = nearest(W_dec.numpy(), RANKS)
    found = np.concatenate([part.cosine for part in parts], axis=1)
    np.testing.assert_allclose(found, cosine, atol=1e-5)
    own = np.concatenate([part.nearest_index for part in parts])
    unit = unit_rows(W_dec.numpy())
    np.testing.assert_allclose((unit * unit[own]).sum(axis=1), cosine[0], atol=1e-5)
    distinct = cosine[0] - np.sort(unit @ unit.T - 2 * np.eye(130), axis=1)[:, -2] > 1e-5
    assert (own[distinct] == index[distinct]).all()

    whole = np.triu(unit @ unit.T, 1) * np.outer(living, living)
    counted = np.sum([part.n_pairs for part in parts], axis=0)
    assert counted.tolist() == [int((whole >= each).sum()) for each in NEAR]
    forest = spanning_forest(130, [part.forest for part in parts])
    for threshold in (0.7, 0.9, 0.97):
        a, b = np.nonzero(whole >= threshold)
        expected = clusters(a, b, np.ones(len(a), bool))
        assert expected
        found = clusters(forest.first, forest.second, forest.cosine >= threshold)
        assert found == expected


def test_ties_go_to_the_lower_feature() -> None:
    W_dec = torch.tensor([[0.0, 1], [1, 0], [1, 0], [1, 0]])
    found = near_of_range(W_dec, (0, 4), np.ones(4, bool))
    assert found.nearest_index.tolist() == [1, 2, 1, 1]


def test_a_lonely_feature_has_no_neighbour() -> None:
    found = near_of_range(torch.ones(1, 3), (0, 1), np.ones(1, bool))
    assert found.nearest_index.tolist() == [-1]
    assert np.isnan(found.cosine).all()
    assert found.forest.first.size == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 3)), max_size=30))
def test_a_forest_joins_what_all_pairs_join(pairs: list[tuple[int, int, int]]) -> None:
    pairs = [(min(a, b), max(a, b), c) for a, b, c in pairs if a != b]
    columns = np.array(pairs, np.int64).reshape(-1, 3).T
    parts = [
        Forest(a.astype(np.uint32), b.astype(np.uint32), c.astype(np.float32))
        for a, b, c in (columns[:, :7], columns[:, 7:])
    ]
    forest = spanning_forest(10, parts)
    assert len(forest.first) < 10
    first, second, cosine = columns
    kept = spanning_pairs(first, second, cosine.astype(float))
    listed = sorted(zip(first[kept], second[kept], cosine[kept], strict=True))
    found = sorted(zip(forest.first, forest.second, forest.cosine, strict=True))
    assert found == listed
    for floor in range(4):
        expected = clusters(columns[0], columns[1], columns[2] >= floor)
        assert clusters(forest.first, forest.second, forest.cosine >= floor) == expected


@pytest.mark.parametrize("columns", [[(0, 6)], [(0, 1), (1, 5), (5, 6)]])
def test_pairs_equal_the_list_of_pairs(columns: list[tuple[int, int]]) -> None:
    W_dec, sums = made(30, 6), []
    for part in columns:
        found = PairSums(6, part)
        for start in range(0, 30, 8):
            found.add(W_dec[start : start + 8])
        sums.append(found.found)
    unit = unit_rows(W_dec.numpy())
    listed = [unit[a] @ unit[b] for a, b in combinations(np.flatnonzero(unit.any(axis=1)), 2)]
    pairs = pair_cosines(sums)
    assert pairs.n_directions == 29
    assert pairs.mean == pytest.approx(np.mean(listed), abs=1e-12)
    assert pairs.variance == pytest.approx(np.var(listed))


def test_neurons_equal_numpy() -> None:
    W_dec = made(23, 40)
    W_dec[3] = 0.01
    W_dec[3, 17] = -9
    index, shares = entry_shares(W_dec.numpy())
    found = neurons_of(W_dec)
    for own, expected in zip((found.share, found.share_10, found.cosine), shares, strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-5)
    assert found.index[3] == index[3] == 17
    assert found.cosine[3] > 0.99


def test_chance_is_measured_of_the_directions_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chance, "MOST_ASKED", 60)
    monkeypatch.setattr(chance, "BLOCK", 25)
    rows = torch.cat(list(random_blocks(120, 5, 7, None, CPU))).numpy()
    found = random_directions("isotropic", 120, 5, 7, None, CPU)
    index, cosine = nearest(rows, RANKS)
    np.testing.assert_allclose(found.cosine, cosine[:, :60], atol=1e-5)
    assert found.most_nearest == np.bincount(index[:60]).max()
    np.testing.assert_allclose(found.neuron_share, entry_shares(rows)[1][0, :60], rtol=1e-4)
    assert found.pairs.n_directions == 120


def test_isotropic_directions_are_as_theory_has_them() -> None:
    pairs = random_directions("isotropic", 2000, 32, 1, None, CPU).pairs
    assert pairs.variance == pytest.approx(1 / 32, rel=0.02)
    assert pairs.mean == pytest.approx(0, abs=0.002)


def test_directions_have_the_covariance_they_are_given() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((500, 6)) @ rng.standard_normal((6, 6)) + 100
    covariance = Covariance(6)
    for part in np.array_split(x, 7):
        covariance.add(part)
    expected = np.cov(x.T, bias=True)
    np.testing.assert_allclose(covariance.matrix(), expected, rtol=1e-9)
    root = covariance.root()
    np.testing.assert_allclose(root.T @ root, expected, rtol=1e-4, atol=1e-4)
    # Lengths are lost, so only the largest axis is compared.
    rows = torch.cat(list(random_blocks(4000, 6, 0, root, CPU))).numpy()
    axis = np.linalg.eigh(expected)[1][:, -1]
    drawn = np.linalg.eigh(np.cov(rows.T))[1][:, -1]
    assert abs(axis @ drawn) > 0.99


def test_random_is_random() -> None:
    """A dictionary of random rows looks like chance."""
    rows = torch.from_numpy(np.random.default_rng(5).standard_normal((1500, 24))).float()
    own = near_of_range(rows, (0, 1500), np.ones(1500, bool))
    found = random_directions("isotropic", 1500, 24, 0, None, CPU)
    for rank in range(3):
        assert np.median(own.cosine[rank]) == pytest.approx(np.median(found.cosine[rank]), abs=0.01)


def test_a_planted_hub_is_found() -> None:
    """Rows that each lie near one row and nearly at right angles to each other."""
    rows = torch.eye(64)[1:40] + 0.9 * torch.eye(64)[:1]
    rows = torch.cat([rows, torch.eye(64)[:1]])
    index = near_of_range(rows, (0, 40), np.ones(40, bool)).nearest_index
    assert (index[:39] == 39).all()
