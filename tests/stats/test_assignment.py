"""One-to-one matching equals trying every one."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.stats.assignment import assigned


@settings(max_examples=60, deadline=None)
@given(n=st.integers(0, 6), m=st.integers(1, 6), seed=st.integers(0, 99), whole=st.booleans())
def test_equal_to_trying_all(n: int, m: int, seed: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    score = rng.integers(-3, 4, (n, m)).astype(float) if whole else rng.standard_normal((n, m))
    found = assigned(score)
    held = np.flatnonzero(found >= 0)
    assert len(held) == len(set(found[held].tolist())) == min(n, m)
    wide = score if n <= m else score.T
    best = max(
        sum(wide[i, j] for i, j in enumerate(columns))
        for columns in permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert score[held, found[held]].sum() == pytest.approx(best)
