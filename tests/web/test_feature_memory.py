"""What is kept between requests: ranks and vocabulary entries, for one build at a time."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from app.db.catalog import Sae
from app.db.columns import FeatureColumns, read_columns
from app.db.tokens import get_tokens
from app.web.memory import Memory, MemoryOfBuild
from app.web.ranks import RANKED, Ranks


def _ranks(values: list[float]) -> Ranks:
    column = np.array(values)
    return _of(
        {
            "density": np.ones(column.size),
            "n_active": np.ones(column.size),
            "max_activation": column,
        }
    )


def _of(columns: dict[str, np.ndarray]) -> Ranks:
    """Ranks of some columns; the others have no value."""
    missing = np.full(columns["density"].size, np.nan)
    return Ranks(FeatureColumns(dict.fromkeys(RANKED, missing) | columns))


@given(st.lists(st.integers(0, 5), min_size=2, max_size=30), st.data())
def test_a_rank_is_the_share_of_the_others_below_with_half_of_the_ties(
    values: list[int], data: st.DataObject
) -> None:
    value = data.draw(st.sampled_from(values))
    below = sum(other < value for other in values)
    ties = values.count(value) - 1
    expected = (below + ties / 2) / (len(values) - 1)
    found = _ranks([float(v) for v in values]).share_below("max_activation", value)
    assert found == pytest.approx(expected)


def test_dead_features_and_missing_values_have_no_rank() -> None:
    ranks = _of(
        {
            "density": np.array([0.0, 0.1, 0.2, 0.3]),
            "n_active": np.array([0, 1, 2, 3]),
            "run_length": np.array([9.0, np.nan, 1.0, 2.0]),
        }
    )
    assert ranks.share_below("run_length", 2.0) == 1.0
    assert ranks.share_below("run_length", None) is None
    assert ranks.share_below("run_length", float("nan")) is None
    assert _ranks([1.0]).share_below("max_activation", 1.0) is None


def test_ranks_are_those_of_the_stored_columns(connection: Connection, sae: Sae) -> None:
    ranks = Memory(Path()).ranks(connection, sae.sae_id)
    columns = read_columns(connection, sae.sae_id)
    largest = np.nanmax(columns["max_activation"])
    assert ranks.share_below("max_activation", float(largest)) == 1.0


def test_what_was_read_is_not_read_again(connection: Connection, sae: Sae) -> None:
    memory, asked = Memory(Path()), []
    event.listen(connection, "before_execute", lambda *call: asked.append(call[1]))
    first = memory.tokens(connection, sae.model_id, {1, 2, 3, 10**6})
    again = memory.tokens(connection, sae.model_id, {2, 3})
    assert len(asked) == 1
    assert first == get_tokens(connection, sae.model_id, {1, 2, 3})
    assert again == {2: first[2], 3: first[3]}


def test_another_build_begins_with_nothing() -> None:
    memories = MemoryOfBuild(Path("atlas.db"))
    one = memories.get("one")
    assert memories.get("one") is one
    assert memories.get("two") is not one
    assert memories.get("one") is not one
