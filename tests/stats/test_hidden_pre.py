"""The sample of pre-activations comes back as it was written, and a range of it alone."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import AtlasError
from app.stats.hidden_pre import HiddenPreSample, hidden_pre_path, sums_path, write_hidden_pre

D_SAE = 1500


def write_shards(folder: Path, sizes: list[list[int]]) -> np.ndarray:
    """Shards of batches of so many tokens each; gives all rows."""
    rng = np.random.default_rng(0)
    every = [np.zeros((0, D_SAE), np.float16)]
    at = 0
    for index, batches in enumerate(sizes):
        rows = [rng.normal(size=(n, D_SAE)).astype(np.float16) for n in batches]
        write_hidden_pre(folder, index, rows)
        np.savez(sums_path(folder, index), sample_place=np.arange(at, at + sum(batches)))
        at += sum(batches)
        every += rows
    return np.concatenate(every)


def test_any_range_of_features_is_read(tmp_path: Path) -> None:
    rows = write_shards(tmp_path, [[3, 4], [], [5]])
    assert not hidden_pre_path(tmp_path, 1).exists()
    sample = HiddenPreSample.open(tmp_path, 3)
    assert sample.places.tolist() == list(range(12))
    for first, stop in ((0, D_SAE), (7, 8), (1000, 1100), (1499, 1500)):
        found = sample.features(first, stop)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, rows[:, first:stop].T)


def test_a_shard_without_a_sample_leaves_no_old_one(tmp_path: Path) -> None:
    write_shards(tmp_path, [[3]])
    write_shards(tmp_path, [[]])
    assert HiddenPreSample.open(tmp_path, 1).features(0, 5).shape == (5, 0)
    assert not hidden_pre_path(tmp_path, 0).exists()


def test_what_is_missing_or_does_not_fit_is_said(tmp_path: Path) -> None:
    write_shards(tmp_path, [[3]])
    np.savez(sums_path(tmp_path, 0), sample_place=np.arange(4))
    with pytest.raises(AtlasError, match="shard 0 holds another number of tokens"):
        HiddenPreSample.open(tmp_path, 1)
    hidden_pre_path(tmp_path, 0).unlink()
    with pytest.raises(AtlasError, match="cannot be read"):
        HiddenPreSample.open(tmp_path, 1)
