"""Norms by position and token, with outliers planted on one token id."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.stats.corpus import Corpus
from app.stats.norms import HookNorms, hook_norms
from app.stats.reconstruction import ErrorSums, TokenSquares

N_CONTEXTS, SIZE, D_VOCAB = 11, 16, 12
LOUD = 7
"""the token id whose activations are thirty times as long"""
RNG = np.random.default_rng(0)
TOKENS = RNG.integers(1, D_VOCAB - 1, (N_CONTEXTS, SIZE)).astype(np.uint16)
TOKENS[:, 0] = 0
TOKENS[4, 5] = 0  # a special token inside
COUNTED = TOKENS != 0
CORPUS = Corpus(TOKENS, COUNTED, np.where(COUNTED, 0, -1).astype(np.int32), D_VOCAB, ["all"])
NORM = RNG.normal(10, 0.5, TOKENS.shape)
NORM[TOKENS == LOUD] *= 30
NORM[:, 0] *= 90
ERROR = np.where(COUNTED, NORM**2 * RNG.uniform(0.1, 0.3, TOKENS.shape), np.nan)


def measured(folder: Path, per_shard: int = 4, corpus: Corpus = CORPUS) -> HookNorms:
    firsts = range(0, N_CONTEXTS, per_shard)
    for index, first in enumerate(firsts):
        here = slice(first, first + per_shard)
        sums = ErrorSums(len(TOKENS[here]), SIZE)
        yes = np.flatnonzero(corpus.counted[here])
        no = np.flatnonzero(~corpus.counted[here])
        square, error = (NORM[here] ** 2).reshape(-1), ERROR[here].reshape(-1)
        sums.add_squares(yes, error[yes], square[yes], square[yes])
        sums.add_uncounted(no, square[no])
        sums.write(folder, index)
    return hook_norms(TokenSquares.open(folder, len(firsts)), corpus)


@pytest.mark.parametrize("per_shard", [1, 4, 20])
def test_equal_to_all_tokens_at_once(tmp_path: Path, per_shard: int) -> None:
    found = measured(tmp_path, per_shard)
    norm, error, token = NORM[COUNTED], ERROR[COUNTED], TOKENS[COUNTED]
    median = np.quantile(norm, 0.5, method="inverted_cdf")
    mad = np.quantile(np.abs(norm - median), 0.5, method="inverted_cdf")
    assert found.norm.median == pytest.approx(median, rel=1e-6)
    assert found.mad == pytest.approx(mad, rel=1e-5)
    assert found.threshold == pytest.approx(median + 6 * mad, rel=1e-6)
    outlier = norm > median + 6 * mad
    assert found.n_outlier == outlier.sum() == (token == LOUD).sum()
    assert found.outlier_square / found.square == pytest.approx(
        (norm[outlier] ** 2).sum() / (norm**2).sum(), rel=1e-6
    )
    assert found.outlier_error / found.error == pytest.approx(
        error[outlier].sum() / error.sum(), rel=1e-6
    )
    for position in range(1, SIZE):
        own = NORM[:, position][COUNTED[:, position]]
        assert found.positions.n[position] == len(own)
        assert found.positions.mean[position] == pytest.approx(own.mean(), rel=1e-6)
        assert found.positions.std[position] == pytest.approx(own.std(), rel=1e-5)
        assert found.positions.maximum[position] == pytest.approx(own.max(), rel=1e-6)
    for token_id in range(D_VOCAB):
        own = norm[token == token_id]
        assert found.token_ids.n[token_id] == len(own)
        assert found.token_ids.n_outlier[token_id] == (len(own) if token_id == LOUD else 0)
        if len(own):
            assert found.token_ids.mean[token_id] == pytest.approx(own.mean(), rel=1e-6)
            assert found.token_ids.maximum[token_id] == pytest.approx(own.max(), rel=1e-6)
        else:
            assert np.isnan(found.token_ids.mean[token_id])
            assert np.isnan(found.token_ids.maximum[token_id])
    expected = np.bincount(token, error, D_VOCAB)
    np.testing.assert_allclose(found.token_ids.error, expected, rtol=1e-6)


def test_what_is_not_counted_stands_apart(tmp_path: Path) -> None:
    found = measured(tmp_path)
    assert found.positions.n[0] == 0
    assert np.isnan(found.positions.mean[0])
    assert found.zero is not None and found.special is not None
    assert found.zero.n == N_CONTEXTS
    assert found.zero.mean == pytest.approx(NORM[:, 0].mean(), rel=1e-6)
    assert found.zero.minimum == pytest.approx(NORM[:, 0].min(), rel=1e-6)
    assert found.zero.maximum == pytest.approx(NORM[:, 0].max(), rel=1e-6)
    assert (found.special.n, found.special.mean) == (1, pytest.approx(NORM[4, 5], rel=1e-6))


def test_padding_is_no_special_token(tmp_path: Path) -> None:
    """In contexts by document; a separator of packed ones stays."""
    corpus = replace(CORPUS, metadata={"packing": "document"})
    assert corpus.padding(np.array([4])).sum() == 1
    assert measured(tmp_path, corpus=corpus).special is None


def test_equal_norms_have_no_outliers(tmp_path: Path) -> None:
    sums = ErrorSums(N_CONTEXTS, SIZE)
    square = np.full(N_CONTEXTS * SIZE, 4.0)
    square[20] = 400
    sums.add_squares(np.arange(square.size), square / 2, square, square)
    sums.write(tmp_path, 0)
    found = hook_norms(TokenSquares.open(tmp_path, 1), CORPUS)
    assert (found.mad, found.threshold, found.n_outlier) == (0, np.inf, 0)
