"""Stored decoder directions: the right rows come back, exact to two decimals of a cosine."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection

from app.db.catalog import list_saes
from app.db.directions import ROWS_PER_BLOCK, get_directions
from app.db.engine import open_atlas
from app.db.schema import decoder_block
from app.db.writer import AtlasWriter
from app.demo.synthetic import build_synthetic_atlas

D_IN = 48


@pytest.fixture
def rows() -> np.ndarray:
    drawn = np.random.default_rng(4).standard_normal((2 * ROWS_PER_BLOCK + 7, D_IN))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_cosines_are_off_by_less_than_a_thousandth(tmp_path: Path, rows: np.ndarray) -> None:
    with AtlasWriter(tmp_path / "atlas.db", {}) as writer:
        starts = range(0, len(rows), ROWS_PER_BLOCK)
        writer.add_directions(3, (rows[start : start + ROWS_PER_BLOCK] for start in starts))
        wanted = [0, ROWS_PER_BLOCK - 1, ROWS_PER_BLOCK, len(rows) - 1]
        found = get_directions(writer.connection, 3, D_IN, wanted)
        assert sorted(found) == wanted
        for i in wanted:
            for j in wanted:
                assert abs(float(found[i] @ found[j]) - float(rows[i] @ rows[j])) < 1e-3
        assert get_directions(writer.connection, 4, D_IN, wanted) == {}


def test_an_atlas_without_the_table_has_none(tmp_path: Path) -> None:
    with AtlasWriter(tmp_path / "atlas.db", {}) as writer:
        decoder_block.drop(writer.connection)
        assert get_directions(writer.connection, 1, D_IN, [0]) == {}


def test_the_invented_atlas_has_unit_rows(tmp_path: Path) -> None:
    path = build_synthetic_atlas(tmp_path / "atlas.db", n_features=20, saes=("resid-2-1k",))
    connection: Connection
    with open_atlas(path).connect() as connection:
        [sae] = list_saes(connection)
        found = get_directions(connection, sae.sae_id, sae.record.d_in, range(20))
    assert len(found) == 20
    assert all(abs(float(np.linalg.norm(row)) - 1) < 1e-3 for row in found.values())
