"""Columns of examples are packed as the features' own groups are, and cut out as they stood."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pytest

from app.db.records import GROUPS, ExampleGroup, Group
from app.db.stored.example_columns import ExampleColumns, FeatureExamples, GroupColumns
from app.db.stored.examples import pack_examples
from app.stats.arrays import offsets
from tests.db.test_stored import bundles  # noqa: F401 (a fixture)

Features = list[Mapping[Group, ExampleGroup]]


@pytest.fixture(scope="module")
def features(bundles) -> Features:  # noqa: F811
    """The groups that forty features have, a dead one among them."""
    return [
        {name: group for name, group in bundle.examples.items() if group.position.size}
        for bundle in bundles
    ]


@pytest.fixture(scope="module")
def columns(features: Features) -> dict[Group, GroupColumns]:
    """The same, group by group end to end."""
    return {name: column_of(name, features) for name in GROUPS}


def column_of(name: Group, features: Features) -> GroupColumns:
    held = [feature.get(name) for feature in features]
    there = [group for group in held if group is not None]

    def sizes(field: str) -> np.ndarray:
        counts = [0 if group is None else getattr(group, field).size for group in held]
        return offsets(np.array(counts, np.int64))

    def joined(field: str) -> np.ndarray:
        return np.concatenate([getattr(group, field) for group in there])

    fields = set(GroupColumns.__dataclass_fields__) - {
        "indptr", "band_indptr", "firing_indptr", "n_candidates",
    }  # fmt: skip
    n_firings = np.concatenate([np.diff(group.firing_indptr) for group in there])
    return GroupColumns(
        indptr=sizes("position"),
        band_indptr=sizes("band_low"),
        firing_indptr=offsets(n_firings.astype(np.int64)),
        n_candidates=np.array([0 if group is None else group.n_candidates for group in held]),
        **{field: joined(field) for field in fields},
    )


def test_a_feature_has_the_groups_it_had(
    features: Features, columns: dict[Group, GroupColumns]
) -> None:
    assert any(not feature for feature in features)
    for row, expected in enumerate(features):
        found = FeatureExamples(columns, row)
        assert list(found) == [name for name in GROUPS if name in expected]
        assert len(found) == len(expected)
        for name in GROUPS:
            assert (name in found) == (name in expected)
        np.testing.assert_equal(
            {name: asdict(group) for name, group in found.items()},
            {name: asdict(group) for name, group in expected.items()},
        )
    with pytest.raises(KeyError):
        FeatureExamples(columns, next(i for i, one in enumerate(features) if not one))["top"]


@pytest.mark.parametrize("rows", [range(40), [7], [3, 4, 9, 30, 39]])
def test_views_are_packed_as_their_groups_are(
    features: Features, columns: dict[Group, GroupColumns], rows: list[int]
) -> None:
    views = [FeatureExamples(columns, row) for row in rows]
    assert pack_examples(views) == pack_examples([features[row] for row in rows])


def test_views_of_other_columns_and_groups_may_stand_in_one_row(
    features: Features, columns: dict[Group, GroupColumns]
) -> None:
    again = dict(columns)
    mixed = [FeatureExamples(columns, 1), FeatureExamples(again, 2), features[3], features[4]]
    assert pack_examples(mixed) == pack_examples(features[1:5])
    assert pack_examples([]) == []


def test_columns_of_groups_and_of_rows_are_the_same(
    features: Features, columns: dict[Group, GroupColumns]
) -> None:
    found = ExampleColumns.of_rows(columns, np.arange(len(features)))
    np.testing.assert_equal(asdict(found), asdict(ExampleColumns.of(features)))
