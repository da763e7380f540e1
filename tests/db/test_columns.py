"""Lists of features: sorted, filtered and paged as the obvious Python would do it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.db.columns import FeatureColumns, FeatureQuery, Range, read_columns
from app.db.cursor import BadCursor, encode_cursor
from app.db.engine import Atlas, open_atlas
from app.db.records import LIVES_AS
from app.db.schema import SORTABLE
from tests.db.conftest import WriteAtlas, bundle

SHARES = [0.0, 0.5, 0.5, 0.5, 0.25, None, 1.0, None, 0.75, 0.0, 0.25, 0.1 + 0.2]
"""Ties, missing values and a value without a short decimal form."""
RUNS = [1.0, None, 1.5, 2.0, 1.4999, 1.0, None, 3.0, 1.5, 1.0, 1.0, 1.6]
WORDS = ["", "point", "region", "", "point", "", "region", "region", "", "", "point", "point"]
DENSITIES = [i % 4 / 10 for i in range(12)]
TEXTS = ["fires on ‘def’", "self straße", "def", "never fired"] * 3

RECORDS: list[dict[str, Any]] = [
    {
        "feature_index": i,
        "density": DENSITIES[i],
        "n_active": round(DENSITIES[i] * 1000),
        "context_share": SHARES[i],
        "run_length": RUNS[i],
        "lives_as": LIVES_AS.index(WORDS[i]),
        "top_token_id": i % 3 if DENSITIES[i] else None,
    }
    for i in range(12)
]


def _column(name: str) -> Any:
    values = [record.get(name, 1.0) for record in RECORDS]
    return np.array([np.nan if value is None else value for value in values])


COLUMNS = FeatureColumns(
    {name: _column(name) for name in ("feature_index", *SORTABLE, "top_token_id", "lives_as")}
)

ALL = np.ones(12, bool)


def _keeps(query: FeatureQuery, record: dict[str, Any]) -> bool:
    """The filters one by one; a feature without a value is in no range."""
    index = record["feature_index"]
    checks = [
        all(
            (value := record[item.column]) is not None
            and (item.low is None or value >= item.low)
            and (item.high is None or value <= item.high)
            for item in query.ranges
            if (item.low, item.high) != (None, None)
        ),
        query.indices is None or any(low <= index <= high for low, high in query.indices),
        query.dead is None or (record["density"] == 0) == query.dead,
        query.lives_as in ("", WORDS[index]),
        query.top_token_ids is None or record["top_token_id"] in query.top_token_ids,
        query.contains.casefold() in TEXTS[index].casefold(),
    ]
    return all(checks)


def _expected(query: FeatureQuery) -> list[int]:
    sign = -1 if query.descending else 1

    def key(record: dict[str, Any]) -> tuple[bool, float, int]:
        value = record[query.sort]
        place = 0.0 if value is None else sign * float(value)
        return value is None, place, record["feature_index"]

    kept = [record for record in RECORDS if _keeps(query, record)]
    return [record["feature_index"] for record in sorted(kept, key=key)]


bounds = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 1.0, 1.5]))
sortable = ["feature_index", "context_share", "density", "run_length"]
queries = st.builds(
    FeatureQuery,
    sort=st.sampled_from(sortable),
    descending=st.booleans(),
    ranges=st.lists(
        st.builds(Range, st.sampled_from(sortable[1:]), bounds, bounds), max_size=3
    ).map(tuple),
    indices=st.sampled_from([None, ((0, 3), (7, 7)), ((5, 2**31),)]),
    dead=st.sampled_from([None, True, False]),
    lives_as=st.sampled_from(["", "point", "region"]),
    top_token_ids=st.sampled_from([None, (), (0, 2)]),
    contains=st.sampled_from(["", "DEF", "straSSe", "no such text"]),
    size=st.integers(1, 7),
)


@settings(deadline=None, max_examples=300)
@given(query=queries)
def test_paging_through_any_list_gives_all_of_it_in_order(query: FeatureQuery) -> None:
    texts = [text.casefold() for text in TEXTS]
    expected = _expected(query)
    kept = COLUMNS.matching(query, texts)
    assert np.flatnonzero(kept).tolist() == sorted(expected)
    assert COLUMNS.ordered(query, kept).tolist() == expected
    found: list[int] = []
    while True:
        page = COLUMNS.select(query, kept)
        assert page.n_matching == len(expected)
        assert 0 < len(page.feature_indices) <= query.size or not expected
        found += page.feature_indices
        if page.next is None:
            break
        query = replace(query, next=page.next)
    assert found == expected


def test_a_range_can_be_taken_away() -> None:
    query = FeatureQuery(ranges=(Range("density", 0.2, None), Range("run_length", None, 1.5)))
    assert query.without_range("density") == FeatureQuery(ranges=(Range("run_length", None, 1.5),))
    assert query.without_range("context_share") == query


@pytest.mark.parametrize(
    "other",
    [
        {"sort": "context_share"},
        {"descending": True},
        {"ranges": (Range("density", 0.1, None),)},
        {"contains": "self"},
        {"lives_as": "point"},
        {"indices": ((0, 5),)},
    ],
    ids=str,
)
def test_a_token_of_another_list_is_refused(other: dict[str, Any]) -> None:
    query = FeatureQuery(sort="density", size=2)
    token = COLUMNS.select(query, ALL).next
    with pytest.raises(BadCursor, match="another sort or other filters"):
        COLUMNS.select(replace(query, next=token, **other), ALL)


@pytest.mark.parametrize("place", [["high", 3], [0.1], [0.1, None], [{}, 1], []])
def test_a_forged_place_is_refused(place: list[Any]) -> None:
    query = FeatureQuery(sort="density")
    with pytest.raises(BadCursor, match="damaged"):
        COLUMNS.select(replace(query, next=encode_cursor(place, query.identity())), ALL)


def test_a_place_that_is_no_more_leads_on_behind_it() -> None:
    """The atlas was rebuilt: no feature has this value now."""
    query = FeatureQuery(sort="density")
    token = encode_cursor([0.15, 3], query.identity())
    found = COLUMNS.select(replace(query, next=token), ALL).feature_indices
    assert found == [i for i in _expected(query) if DENSITIES[i] > 0.15]


@pytest.mark.parametrize(("draw", "place"), [(0.0, 0), (0.5, 4), (0.999, -1)])
def test_every_living_feature_has_its_share_of_the_draws(draw: float, place: int) -> None:
    living = [i for i, density in enumerate(DENSITIES) if density > 0]
    assert COLUMNS.living_feature(draw) == living[place]
    dead = FeatureColumns({"feature_index": np.arange(3.0), "density": np.zeros(3)})
    assert dead.living_feature(draw) is None


@pytest.fixture
def atlas(write_atlas: WriteAtlas) -> Atlas:
    bundles = [
        bundle(
            i,
            density=DENSITIES[i],
            context_share=SHARES[i],
            run_length=RUNS[i],
            lives_as=LIVES_AS.index(WORDS[i]),
        )
        for i in reversed(range(12))
    ]
    return open_atlas(write_atlas(bundles))


def test_columns_are_those_of_the_file(atlas: Atlas) -> None:
    with atlas.connect() as connection:
        columns = read_columns(connection, 1)
        assert len(read_columns(connection, 2)) == 0
    assert len(columns) == 12
    assert columns["feature_index"].tolist() == list(range(12))
    for name in ("density", "context_share", "run_length", "lives_as"):
        np.testing.assert_array_equal(columns[name], COLUMNS[name])
    assert columns["encoder_decoder_cosine"].tolist() == [0.5] * 12
