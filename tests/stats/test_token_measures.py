"""Numbers of single tokens from three squares, over counted tokens only."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import AtlasError
from app.stats.corpus import Corpus
from app.stats.distribution import SHARES
from app.stats.event_writer import write_manifest, write_shard
from app.stats.events import EventStore
from app.stats.reconstruction import ErrorSums, TokenSquares, read_squares
from app.stats.token_measures import MEASURES, active_features, measured

N_CONTEXTS, SIZE, D_SAE, PER_SHARD = 7, 9, 5, 3
RNG = np.random.default_rng(0)
COUNTED = RNG.random((N_CONTEXTS, SIZE)) < 0.8
COUNTED[:, 0] = False
CORPUS = Corpus(
    np.ones(COUNTED.shape, np.uint16), COUNTED, np.zeros(COUNTED.shape, np.int32), 4, ["all"]
)
X = RNG.normal(2, 1, (*COUNTED.shape, 6))
X_HAT = 0.8 * X + RNG.normal(0, 0.3, X.shape)
X[2, 4] = 0  # a token of length 0


def shards() -> list[slice]:
    return [slice(a, min(a + PER_SHARD, N_CONTEXTS)) for a in range(0, N_CONTEXTS, PER_SHARD)]


@pytest.fixture
def squares(tmp_path: Path) -> TokenSquares:
    """The files the events stage would have written."""
    wanted = [(part**2).sum(axis=-1) for part in (X - X_HAT, X, X_HAT)]
    for index, here in enumerate(shards()):
        counted = COUNTED[here].reshape(-1)
        sums = ErrorSums(len(COUNTED[here]), SIZE)
        columns = [values[here].reshape(-1) for values in wanted]
        yes, no = np.flatnonzero(counted), np.flatnonzero(~counted)
        sums.add_squares(yes, *(values[yes] for values in columns))
        sums.add_uncounted(no, columns[1][no])
        sums.write(tmp_path, index)
    return TokenSquares.open(tmp_path, len(shards()))


def test_files_hold_three_numbers_and_the_length_of_all(squares: TokenSquares) -> None:
    found = np.concatenate([shard for _, shard in squares])
    assert [first for first, _ in squares] == [0, 3, 6]
    np.testing.assert_allclose(found[..., 1], (X**2).sum(axis=-1), rtol=1e-6)
    assert (np.isnan(found[..., 0]) == ~COUNTED).all()
    assert (np.isnan(found[..., 2]) == ~COUNTED).all()


@pytest.mark.parametrize("name", MEASURES)
def test_measures_equal_their_definitions(squares: TokenSquares, name: str) -> None:
    x, x_hat = X[COUNTED], X_HAT[COUNTED]
    long = (x**2).sum(axis=1) > 0
    norm, norm_hat = np.linalg.norm(x, axis=1), np.linalg.norm(x_hat, axis=1)
    error = ((x - x_hat) ** 2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(long, (x * x_hat).sum(axis=1) / norm / norm_hat, 0)
        expected = {
            "norm": norm,
            "reconstruction_norm": norm_hat,
            "norm_ratio": (norm_hat / norm)[long],
            "squared_error": error,
            "relative_error": (error / norm**2)[long],
            "cosine": cosine,
        }[name]
    found = measured(squares, CORPUS, name)
    assert found.n == len(expected)
    assert found.mean == pytest.approx(expected.mean(), rel=1e-6)
    wanted = np.quantile(expected, SHARES, method="inverted_cdf")
    np.testing.assert_allclose(found.quantiles, wanted, rtol=1e-6, atol=1e-7)


def test_features_active_at_each_counted_token(tmp_path: Path) -> None:
    active = RNG.random((N_CONTEXTS, SIZE, D_SAE)) < 0.3
    active &= COUNTED[..., None]
    write_manifest(
        tmp_path, d_sae=D_SAE, context_size=SIZE, contexts_per_shard=PER_SHARD,
        n_contexts=N_CONTEXTS,
    )  # fmt: skip
    for index, here in enumerate(shards()):
        place, feature = np.nonzero(active[here].reshape(-1, D_SAE))
        ones = np.ones(len(place), np.float32)
        write_shard(
            tmp_path, index, feature.astype(np.uint32), place.astype(np.uint32), ones, D_SAE
        )
    found = active_features(EventStore.open(tmp_path), CORPUS)
    expected = np.bincount(active.sum(axis=-1)[COUNTED])
    assert found.tolist() == expected.tolist()
    assert found.sum() == COUNTED.sum()


def test_damaged_files_are_a_sentence(squares: TokenSquares, tmp_path: Path) -> None:
    path = tmp_path / "errors-00001.npy"
    np.save(path, np.zeros((3, SIZE, 2), np.float32))
    with pytest.raises(AtlasError, match=r"errors-00001.npy .*\(its shape is \[3, 9, 2\]\): run"):
        TokenSquares.open(tmp_path, 3)
    path.write_bytes(b"nothing")
    with pytest.raises(AtlasError, match="can't be read"):
        read_squares(tmp_path, 4, PER_SHARD)
    path.unlink()
    assert read_squares(tmp_path, 4, PER_SHARD) is None
    with pytest.raises(AtlasError, match="can't be read"):
        TokenSquares.open(tmp_path, 3)
