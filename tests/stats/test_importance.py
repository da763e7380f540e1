"""Weighted means leave out what was not measured; ranks agree with Spearman's definition."""

import numpy as np
import pytest

from app.stats.effect_sentence import effect_sentence, nats
from app.stats.importance import rank_correlation, weighted_mean
from app.stats.wording import plain

NAN = float("nan")


def test_a_mean_weighs_what_is_known() -> None:
    values, weights = np.array([1.0, NAN, 3.0, 9.0]), np.array([0.25, 0.5, 0.25, 0.0])
    assert weighted_mean(values, weights) == (2.0, 2)
    assert weighted_mean(values, np.array([0.1, 0, 0.3, 0])) == (pytest.approx(2.5), 2)
    mean, n = weighted_mean(values[1:2], weights[1:2])
    assert np.isnan(mean) and n == 0


def test_one_draw_of_each_fifth_is_unbiased() -> None:
    """Over all draws, the mean of the estimates is the mean of the values."""
    fifths = [np.array([1.0, 5.0]), np.array([2.0]), np.array([0.0, 4.0, 9.0])]
    n = sum(part.size for part in fifths)
    weights = np.array([part.size / n for part in fifths])
    estimates = [
        weighted_mean(np.array([a, b, c]), weights)[0]
        for a in fifths[0]
        for b in fifths[1]
        for c in fifths[2]
    ]
    assert np.mean(estimates) == pytest.approx(np.concatenate(fifths).mean())


def test_rank_correlation() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 6, 40).astype(float)
    second = first + rng.normal(0, 2, 40)
    first[3], second[7] = NAN, NAN

    def rank(values: np.ndarray) -> np.ndarray:
        return np.array([(values < v).sum() + ((values == v).sum() + 1) / 2 for v in values])

    known = np.isfinite(first) & np.isfinite(second)
    expected = np.corrcoef(rank(first[known]), rank(second[known]))[0, 1]
    found, n = rank_correlation(first, second)
    assert (found, n) == (pytest.approx(expected), 38)
    assert rank_correlation(np.arange(5.0), np.exp(np.arange(5.0)))[0] == pytest.approx(1)
    assert rank_correlation(np.ones(5), np.arange(5.0)) == (None, 5)
    assert rank_correlation(np.array([1.0, NAN, 2.0]), np.arange(3.0)) == (None, 2)


@pytest.mark.parametrize(
    ("delta_ce", "n", "lost", "n_changed", "expected"),
    [
        (
            *(0.312, 9, [")"] * 6 + ["("] * 4, 3),
            "Removing it costs 0.31 nats on the next token, mostly ‘)’ (which loses most "
            "probability at 6 of 10); another token becomes the likeliest at 3 of 10 firings.",
        ),
        (
            *(-0.02, 5, ["a", "a", "b", "b", None], 0),
            "Removing it saves 0.020 nats on the next token; another token becomes the likeliest "
            "at 0 of 5 firings.",
        ),
        (
            *(0.0004, 5, [")"] * 5, 0),
            "Removing it changes the cross-entropy of the next token by less than 0.001 nats; "
            "another token becomes the likeliest at 0 of 5 firings.",
        ),
        (0.5, 4, [")"] * 9, 4, ""),
    ],
)
def test_the_sentence(
    delta_ce: float, n: int, lost: list[str | None], n_changed: int, expected: str
) -> None:
    assert plain(effect_sentence(delta_ce, n, lost, n_changed)) == expected


def test_nats() -> None:
    assert [nats(v) for v in (2.61, 0.312, 0.0421, 0.0012)] == ["2.6", "0.31", "0.042", "0.001"]
