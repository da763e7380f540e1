"""Steps of pruning against removing features one by one."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.pruning import Ladder, make_plan, removed_levels, shortest_between, thresholds

N_TOKENS = 1_000


def counts(seed: int, n: int) -> np.ndarray:
    """Firings of features, from dead ones to some that fire at most tokens."""
    rng = np.random.default_rng(seed)
    drawn = N_TOKENS * 10 ** rng.uniform(-3.3, -0.1, n)
    return drawn.astype(np.int64)


@given(seed=st.integers(0, 50), n=st.integers(0, 60), n_levels=st.integers(1, 9))
def test_l0_after_each_step_is_that_of_what_is_left(seed: int, n: int, n_levels: int) -> None:
    n_active = counts(seed, n)
    plan = make_plan(n_active, N_TOKENS, n_levels=n_levels, n_draws=2, seed=seed)
    assert plan.l0 == pytest.approx(n_active.sum() / N_TOKENS)
    for ladder in (plan.dense, plan.rare, *plan.random):
        assert sorted(ladder.order) == list(np.flatnonzero(n_active))
        assert (np.diff(ladder.level) > 0).all()
        assert (np.diff(ladder.n_removed) >= 0).all()
        for step, l0 in enumerate(ladder.l0):
            left = np.delete(n_active, ladder.removed(step))
            assert l0 == pytest.approx(left.sum() / N_TOKENS)
    assert all(ladder.level.size == n_levels for ladder in plan.random)


@given(seed=st.integers(0, 50), n=st.integers(2, 60))
def test_a_threshold_parts_what_goes_from_what_stays(seed: int, n: int) -> None:
    n_active = counts(seed, n)
    density = n_active / N_TOKENS
    plan = make_plan(n_active, N_TOKENS, n_levels=6, n_draws=1, seed=0)
    for step, t in enumerate(thresholds(plan.dense, n_active, N_TOKENS)):
        assert set(plan.dense.removed(step)) == set(np.flatnonzero(density > t))
        assert set(plan.dense.removed(step)) == set(np.flatnonzero(density >= t))
    for step, t in enumerate(thresholds(plan.rare, n_active, N_TOKENS)):
        gone = np.flatnonzero((density < t) & (n_active > 0))
        assert set(plan.rare.removed(step)) == set(gone)
        assert set(gone) == set(np.flatnonzero((density <= t) & (n_active > 0)))


def test_all_orders_meet_the_same_levels() -> None:
    n_active = counts(3, 4_000)
    plan = make_plan(n_active, N_TOKENS, n_levels=10, n_draws=3, seed=1)
    nominal = plan.l0 * (1 - removed_levels(10))
    densest = n_active.max() / N_TOKENS
    np.testing.assert_allclose(plan.levels, nominal, atol=densest)
    for ladder in (plan.dense, plan.rare, *plan.random):
        np.testing.assert_array_equal(ladder.level, np.arange(10))
        np.testing.assert_allclose(ladder.l0, plan.levels, atol=2 * densest)
    np.testing.assert_array_equal(plan.dense.l0, plan.levels)


def test_the_l0_of_another_dictionary_is_hit() -> None:
    n_active = counts(4, 4_000)
    plan = make_plan(
        n_active, N_TOKENS, n_levels=8, n_draws=1, seed=0, wanted=[31.4, 40.0, 1e9, 0.0]
    )
    for wanted in (31.4, 40.0):
        assert np.abs(plan.dense.l0 - wanted).min() < n_active.max() / N_TOKENS / 2
        assert np.abs(plan.rare.l0 - wanted).min() < 2 * n_active.max() / N_TOKENS
    assert plan.levels.size == 8


def test_draws_differ_and_follow_the_seed() -> None:
    n_active = counts(5, 300)

    def orders(seed: int) -> list[list[int]]:
        plan = make_plan(n_active, N_TOKENS, n_levels=3, n_draws=2, seed=seed)
        return [ladder.order.tolist() for ladder in plan.random]

    first, second = orders(0)
    assert first != second
    assert orders(0) == [first, second]
    assert orders(1) != [first, second]


def test_features_of_one_density_go_together() -> None:
    n_active = np.array([5, 5, 5, 0, 2, 2])
    plan = make_plan(n_active, 10, n_levels=4, n_draws=0, seed=0)
    assert plan.dense.n_removed.tolist() == [3]
    assert sorted(plan.dense.removed(0)) == [0, 1, 2]
    assert sorted(plan.rare.removed(0)) == [4, 5]
    alike = make_plan(np.full(4, 3), 10, n_levels=4, n_draws=1, seed=0)
    assert alike.dense.n_removed.size == alike.rare.n_removed.size == 0
    dead = make_plan(np.zeros(4, np.int64), 10, n_levels=4, n_draws=1, seed=0)
    assert dead.l0 == 0 and dead.random == ()


@given(st.integers(0, 10**6), st.integers(1, 10**4), st.integers(10**6, 10**7))
def test_the_shortest_decimal_between_two(low: int, gap: int, n: int) -> None:
    below, above = Fraction(low, n), Fraction(low + gap, n)
    text = f"{shortest_between(below, above):.12f}".rstrip("0")
    assert below < Fraction(text) < above
    scale = 10 ** (len(text.partition(".")[2]) - 1)
    if scale >= 1:
        first = int(below * scale) + 1
        assert not Fraction(first, scale) < above, "a shorter one would do"


def test_nothing_lies_between_equal_densities() -> None:
    assert shortest_between(Fraction(1, 3), Fraction(1, 2)) == 0.4
    with pytest.raises(ValueError, match="nothing lies"):
        shortest_between(Fraction(1, 3), Fraction(1, 3))


def test_an_empty_ladder_has_no_threshold() -> None:
    empty = np.zeros(0, dtype=np.int64)
    ladder = Ladder(empty, empty, empty, np.zeros(0))
    assert thresholds(ladder, np.full(3, 2), 10).size == 0
