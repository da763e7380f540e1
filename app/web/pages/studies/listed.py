"""Features that the tables of a page show, each with its row; read from the atlas at once.

Takes feature numbers, gives rows. Knows no study.
"""

from collections.abc import Iterable

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import get_features
from app.web.pages.feature_row import FeatureRow, make_rows


def rows_of(connection: Connection, sae: Sae, indices: Iterable[int]) -> dict[int, FeatureRow]:
    """By feature_index; unknown ones are absent."""
    wanted = sorted(set(indices))
    records = get_features(connection, sae.sae_id, wanted)
    kept = [records[index] for index in wanted if index in records]
    rows = make_rows(connection, sae.model_id, kept)
    return {row.record.feature_index: row for row in rows}
