"""Features read one by one, several at a time, and as whole columns."""

from app.db.engine import open_atlas
from app.db.features import column_values, get_feature, get_features
from app.db.records import FeatureRecord
from tests.db.conftest import WriteAtlas, bundle

SHARES = [0.0, 0.5, None, 0.1 + 0.2]


def test_a_feature_comes_back_as_written(write_atlas: WriteAtlas) -> None:
    written = [bundle(i, context_share=share) for i, share in enumerate(SHARES)]
    with open_atlas(write_atlas(written)).connect() as connection:
        record = get_feature(connection, 1, 3)
        assert isinstance(record, FeatureRecord)
        assert record == written[3].record
        assert get_feature(connection, 1, 4) is None
        assert get_feature(connection, 2, 3) is None


def test_several_features_by_index(write_atlas: WriteAtlas) -> None:
    written = [bundle(i, context_share=share) for i, share in enumerate(SHARES)]
    with open_atlas(write_atlas(written)).connect() as connection:
        found = get_features(connection, 1, [3, 1, 9])
        assert found == {1: written[1].record, 3: written[3].record}
        assert get_features(connection, 1, []) == {}


def test_columns_of_the_whole_dictionary(write_atlas: WriteAtlas) -> None:
    written = [bundle(i, context_share=share) for i, share in enumerate(SHARES)]
    with open_atlas(write_atlas(written)).connect() as connection:
        columns = column_values(connection, 1, ["n_active", "context_share"])
        nothing = column_values(connection, 2, ["density"])
    assert list(columns) == ["n_active", "context_share"]
    assert columns["n_active"].tolist() == [2, 2, 2, 2]
    shares = [None if value != value else value for value in columns["context_share"].tolist()]
    assert shares == SHARES
    assert nothing["density"].size == 0
