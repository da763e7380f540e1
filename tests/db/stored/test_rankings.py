"""The rankings of a token come back in their orders, scores as precisely as said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.db.records import TokenRanking
from app.db.stored.rankings import (
    by_token,
    from_rounded_bits,
    pack_firings,
    pack_scores,
    ranking_columns,
    rounded_bits,
    unpack_fires,
    unpack_rate,
    unpack_scores,
)

N_OCCURRENCES = 700


def firing_rankings(n: int, kept: int) -> tuple[TokenRanking, TokenRanking]:
    """`n` features that fire on a token, the strongest `kept` by share and by rate."""
    rng = np.random.default_rng(n)
    feature = rng.permutation(4 * n)[:n]
    share = rng.random(n).astype(np.float32) ** 4
    n_active = rng.integers(1, 40, n)
    fires = np.lexsort((feature, -share))[:kept]
    rate = np.lexsort((feature, -n_active))[:kept]
    by_share, by_rate = (
        TokenRanking(feature[rows], score[rows], share[rows], n_active[rows], n)
        for rows, score in (
            (fires, share),
            (rate, (n_active / N_OCCURRENCES).astype(np.float32)),
        )
    )
    return by_share, by_rate


def check(found: TokenRanking, stored: TokenRanking) -> None:
    np.testing.assert_array_equal(found.feature_index, stored.feature_index)
    np.testing.assert_array_equal(found.n_active, stored.n_active)
    np.testing.assert_allclose(found.share, stored.share, rtol=2.0**-16)
    np.testing.assert_allclose(found.score, stored.score, rtol=2.0**-16)
    assert found.n_total == stored.n_total


@pytest.mark.parametrize(("n", "kept"), [(1, 100), (60, 100), (300, 100), (101, 100)])
def test_both_orders_come_from_one_list(n: int, kept: int) -> None:
    fires, rate = firing_rankings(n, kept)
    blob = pack_firings(fires, rate, N_OCCURRENCES)
    check(unpack_fires(blob), fires)
    check(unpack_rate(blob), rate)
    np.testing.assert_array_equal(unpack_rate(blob).score, rate.score)


@pytest.mark.parametrize("sign", [1, -1])
def test_scores_keep_their_order_and_sign(sign: int) -> None:
    score = (sign * np.sort(np.random.default_rng(0).random(100))[::-1]).astype(np.float32)
    none = np.zeros(0)
    ranking = TokenRanking(np.arange(100)[::-1], score, none, none.astype(np.int64), 4_000)
    check(unpack_scores(pack_scores(ranking)), ranking)


@settings(deadline=None)
@given(hnp.arrays(np.float32, 30, elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_rounded_bits_have_the_order_of_the_numbers(values: np.ndarray) -> None:
    bits = rounded_bits(values)
    again = from_rounded_bits(bits)
    normal = np.abs(values) > 1e-37
    assert (np.abs(again - values)[normal] <= 2.0**-16 * np.abs(values[normal])).all()
    order = np.argsort(values, kind="stable")
    assert (np.diff(bits[order]) >= 0).all()


def test_modes_are_read_side_by_side() -> None:
    fires, rate = firing_rankings(5, 100)
    none = np.zeros(0)
    scores = TokenRanking(np.array([1]), np.array([0.5]), none, none.astype(np.int64), 1)
    found = dict(
        by_token(
            {"fires": [(2, fires), (7, fires)], "rate": [(2, rate)], "promotes": [(3, scores)]}
        )
    )
    assert {token: list(modes) for token, modes in found.items()} == {
        2: ["fires", "rate"], 3: ["promotes"], 7: ["fires"],
    }  # fmt: skip
    columns = ranking_columns(found[3], 0)
    assert columns["firings"] is None and columns["suppresses"] is None
    assert columns["promotes"] is not None
    only_fires = ranking_columns(found[7], 10)["firings"]
    assert only_fires is not None
    check(unpack_fires(only_fires), fires)
    assert unpack_rate(only_fires).n_total == 0
