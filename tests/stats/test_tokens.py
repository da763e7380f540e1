"""Token statistics equal counting token by token."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.tokens import strongest_tokens, token_table


@given(data=st.data())
def test_table_equals_brute_force(draw_world: Callable[..., Any], data: st.DataObject) -> None:
    world = draw_world(data)
    table = token_table(world.events, world.corpus)
    tokens, dense = world.corpus.tokens, world.dense
    fires_on = np.unique(tokens[dense > 0])
    assert table.token_id.tolist() == fires_on.tolist()
    total = dense.sum(dtype=np.float64)
    for i, token in enumerate(fires_on):
        values = dense[(tokens == token) & (dense > 0)].astype(np.float64)
        n_occurrences = int(((tokens == token) & world.corpus.counted).sum())
        assert table.n_active[i] == values.size
        assert table.n_occurrences[i] == n_occurrences
        assert table.rate[i] == values.size / n_occurrences
        assert table.mass[i] == pytest.approx(values.sum())
        assert table.share[i] == pytest.approx(values.sum() / total)
        assert table.max[i] == values.max()


@given(data=st.data(), n=st.integers(1, 8))
def test_strongest_and_what_is_left_out(
    draw_world: Callable[..., Any], data: st.DataObject, n: int
) -> None:
    world = draw_world(data)
    table = token_table(world.events, world.corpus)
    found = strongest_tokens(table, n)
    order = sorted(range(table.token_id.size), key=lambda i: (-table.mass[i], table.token_id[i]))
    assert found.token_id.tolist() == table.token_id[order[:n]].tolist()
    assert found.n_tokens == table.token_id.size
    assert found.n_active.sum() + found.n_active_left_out == world.events.n_active
    if table.token_id.size:
        assert found.share.sum() + found.share_left_out == pytest.approx(1)
    np.testing.assert_allclose(found.mean * found.n_active, table.mass[order[:n]])
