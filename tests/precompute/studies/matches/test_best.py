"""Best matches in tiles equal those of the whole matrix; one to one is the best sum there is."""

from itertools import permutations

import numpy as np
import pytest
import torch

from app.precompute.studies.geometry.nearest import unit
from app.precompute.studies.matches import best
from app.precompute.studies.matches.best import best_of_range, joined, nearer, one_to_one
from app.precompute.studies.matches.chance import random_matches


def rows(n: int, d: int, seed: int) -> torch.Tensor:
    drawn = torch.from_numpy(np.random.default_rng(seed).integers(-2, 3, (n, d)))
    return unit(drawn.float())


@pytest.mark.parametrize("tile", [(3, 4), (64, 64), (7, 2)])
def test_equal_to_the_whole_matrix(tile: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Small whole numbers, so that there are ties: cosines are equal, and those named have them."""
    monkeypatch.setattr(best, "ROWS", tile[0])
    monkeypatch.setattr(best, "COLUMNS", tile[1])
    a, b = rows(30, 3, 0), rows(17, 3, 1)
    cosine = (a @ b.T).numpy()
    found = [
        best_of_range(lambda i, j: a[i:j], part, lambda i, j: b[i:j], 17)
        for part in ((0, 11), (11, 12), (12, 30))
    ]
    forward = joined([each for each, _ in found])
    backward = found[0][1]
    for _, later in found[1:]:
        backward = nearer(backward, later)
    np.testing.assert_allclose(forward.cosine, cosine.max(axis=1), atol=1e-6)
    np.testing.assert_allclose(cosine[np.arange(30), forward.index], forward.cosine, atol=1e-6)
    np.testing.assert_allclose(backward.cosine, cosine.max(axis=0), atol=1e-6)
    np.testing.assert_allclose(cosine[backward.index, np.arange(17)], backward.cosine, atol=1e-6)


def test_ties_go_to_the_lower_row() -> None:
    a = torch.eye(3)[[0, 0, 1, 1]]
    forward, backward = best_of_range(lambda i, j: a[i:j], (0, 4), lambda i, j: a[i:j], 4)
    assert forward.index.tolist() == backward.index.tolist() == [0, 0, 2, 2]


def test_one_to_one_has_the_largest_sum() -> None:
    a, b = rows(6, 4, 2), rows(7, 4, 3)
    living = np.arange(6) != 2, np.arange(7) != 4
    found = one_to_one(a, b, living)
    cosine = (a @ b.T).numpy().astype(float)
    own, others = (np.flatnonzero(alive) for alive in living)
    sums = (sum(cosine[i, j] for i, j in zip(own, each, strict=True))
            for each in permutations(others, len(own)))  # fmt: skip
    assert np.nansum(found.cosine) == pytest.approx(max(sums), abs=1e-5)
    assert found.index[2] == -1 and np.isnan(found.cosine[2])
    used = found.index[own]
    assert len(set(used.tolist())) == 5 and 4 not in used


def test_random_matches_are_those_of_random_rows() -> None:
    """More others are nearer ones, as for rows drawn elsewhere."""
    few, many = (
        random_matches("isotropic", n, 16, 3, None, torch.device("cpu")) for n in (50, 3000)
    )
    rng = np.random.default_rng(9)
    for n, found in ((50, few), (3000, many)):
        a, b = (unit(torch.from_numpy(rng.standard_normal((k, 16)))) for k in (1500, n))
        assert found.mean == pytest.approx(float((a @ b.T).max(dim=1).values.mean()), abs=0.01)
        assert found.mean == pytest.approx(found.cosine.mean(), abs=1e-6)
