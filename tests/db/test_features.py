"""Lists of features: sorted, filtered and paged as the obvious Python would do it."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import schema
from app.db.catalog import find_sae
from app.db.cursor import BadCursor
from app.db.engine import Atlas, open_atlas
from app.db.features import FeatureQuery, Range, column_values, get_feature, list_features
from app.db.records import FeatureRecord
from tests.db.conftest import SAE, WriteAtlas, bundle

VALUES = [0.0, 0.5, 0.5, 0.5, 0.25, None, 1.0, None, 0.75, 0.0, 0.25, 0.1 + 0.2]
"""Ties, missing values and a value without a short decimal form."""


@pytest.fixture
def atlas(write_atlas: WriteAtlas) -> Atlas:
    bundles = [
        bundle(i, density=i % 4 / 10, context_share=value, top_token_id=i % 3)
        for i, value in enumerate(VALUES)
    ]
    return open_atlas(write_atlas(bundles))


def _expected(query: FeatureQuery) -> list[int]:
    records = {i: (value, i % 4 / 10, i % 3) for i, value in enumerate(VALUES)}
    kept = [
        i
        for i, (share, density, token) in records.items()
        if all(
            (value := {"context_share": share, "density": density}[item.column]) is not None
            and (item.low is None or value >= item.low)
            and (item.high is None or value <= item.high)
            for item in query.ranges
            if (item.low, item.high) != (None, None)
        )
        and (query.dead is None or (density == 0) == query.dead)
        and (query.top_token_ids is None or token in query.top_token_ids)
    ]
    sign = -1 if query.descending else 1

    def key(i: int) -> tuple[bool, float, int]:
        column = {"context_share": 0, "density": 1}.get(query.sort)
        value = i if column is None else records[i][column]
        return (value is None, 0 if value is None else sign * float(value), i)

    return sorted(kept, key=key)


bounds = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 1.0]))
queries = st.builds(
    FeatureQuery,
    sort=st.sampled_from(["feature_index", "context_share", "density"]),
    descending=st.booleans(),
    ranges=st.lists(
        st.builds(Range, st.sampled_from(["context_share", "density"]), bounds, bounds), max_size=2
    ).map(tuple),
    dead=st.sampled_from([None, True, False]),
    top_token_ids=st.sampled_from([None, (), (0, 2)]),
    size=st.integers(1, 7),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(query=queries)
def test_paging_through_any_list_gives_all_of_it_in_order(
    atlas: Atlas, query: FeatureQuery
) -> None:
    found: list[int] = []
    expected = _expected(query)
    with atlas.connect() as connection:
        while True:
            page = list_features(connection, 1, query)
            assert page.n_matching == len(expected)
            assert 0 < len(page.features) <= query.size or not expected
            found += [feature.feature_index for feature in page.features]
            if page.next is None:
                break
            query = replace(query, next=page.next)
    assert found == expected


def test_a_token_of_another_list_is_refused(atlas: Atlas) -> None:
    with atlas.connect() as connection:
        token = list_features(connection, 1, FeatureQuery(sort="density", size=2)).next
        with pytest.raises(BadCursor):
            list_features(connection, 1, FeatureQuery(sort="context_share", size=2, next=token))


def test_a_feature_comes_back_as_written(atlas: Atlas) -> None:
    with atlas.connect() as connection:
        record = get_feature(connection, 1, 11)
        assert record == bundle(11, density=0.3, context_share=0.1 + 0.2, top_token_id=2).record
        assert isinstance(record, FeatureRecord)
        assert get_feature(connection, 1, 12) is None


def test_columns_of_the_whole_dictionary(atlas: Atlas) -> None:
    with atlas.connect() as connection:
        columns = column_values(connection, 1, ["density", "context_share"])
        sae = find_sae(connection, "tiny", "first")
    assert sae is not None and sae.record.d_sae == len(VALUES)
    assert columns["density"].tolist() == [i % 4 / 10 for i in range(len(VALUES))]
    missing = [value is None for value in VALUES]
    assert [value != value for value in columns["context_share"].tolist()] == missing
    assert SAE.d_sae == 3


@pytest.mark.parametrize("column", schema.SORTABLE)
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_every_sort_is_answered_from_an_index(atlas: Atlas, column: str, direction: str) -> None:
    query = (
        f"EXPLAIN QUERY PLAN SELECT * FROM feature WHERE sae_id = 1 AND {column} IS NOT NULL "
        f"ORDER BY {column} {direction}, feature_index ASC LIMIT 50"
    )
    with atlas.connect() as connection:
        plan = " ".join(row.detail for row in connection.execute(text(query)))
    assert "USING INDEX" in plan and "TEMP B-TREE" not in plan and "SCAN" not in plan, plan
