"""Moments equal their definitions over the dense activations, and are None where undefined."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.events import FeatureEvents
from app.stats.moments import activation_statistics


@given(data=st.data())
def test_equal_to_brute_force(draw_world: Callable[..., Any], data: st.DataObject) -> None:
    world = draw_world(data)
    found = activation_statistics(world.events, world.corpus.n_tokens)
    active = [float(a) for a in world.dense.reshape(-1) if a > 0]
    assert found.n_active == len(active)
    assert found.n_tokens == world.corpus.n_tokens
    assert found.density == (len(active) / found.n_tokens if found.n_tokens else 0)
    assert found.n_contexts_active == int((world.dense > 0).any(axis=1).sum())
    if not active:
        assert found.max_activation is found.mean_activation is found.std_activation is None
        return
    mean = sum(active) / len(active)
    second, third, fourth = (sum((a - mean) ** k for a in active) / len(active) for k in (2, 3, 4))
    assert found.max_activation == max(active)
    assert found.mean_activation == pytest.approx(mean)
    assert found.std_activation == pytest.approx(second**0.5, abs=1e-9)
    if len(set(active)) == 1:
        assert found.std_activation == 0.0
        assert found.skewness is found.kurtosis is None
    else:
        assert found.skewness == pytest.approx(third / second**1.5, abs=1e-9)
        assert found.kurtosis == pytest.approx(fourth / second**2, abs=1e-9)


def test_by_hand(make_events: Callable[..., FeatureEvents]) -> None:
    found = activation_statistics(make_events(np.array([[0, 1, 1, 4]], dtype=np.float32)), 8)
    assert found.density == 3 / 8
    assert found.mean_activation == 2
    assert found.std_activation == pytest.approx(2**0.5)
    assert found.skewness == pytest.approx((-1 - 1 + 8) / 3 / 2**1.5)
    assert found.kurtosis == pytest.approx((1 + 1 + 16) / 3 / 4)
