"""Stored decoder directions: the right rows come back, and a file that isn't the right one is not
read."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection

from app.db.catalog import list_saes
from app.db.directions import (
    ROWS_PER_BLOCK,
    DecoderFile,
    decoders_folder,
    directions_problem,
    drop_other_files,
    get_directions,
)
from app.db.engine import open_atlas
from app.db.schema import decoder_file
from app.db.writer import AtlasWriter
from app.demo.synthetic import build_synthetic_atlas

D_IN = 48


@pytest.fixture
def rows() -> np.ndarray:
    drawn = np.random.default_rng(4).standard_normal((2 * ROWS_PER_BLOCK + 7, D_IN))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return build_synthetic_atlas(tmp_path / "atlas.db", n_features=20, saes=("one", "two"))


def the_file(atlas: Path, number: int = 0) -> Path:
    with open_atlas(atlas).connect() as connection:
        rows = connection.execute(decoder_file.select().order_by(decoder_file.c.sae_id)).all()
    return decoders_folder(atlas) / f"{rows[number].hash[:32]}.npy"


def found(atlas: Path, *features: int, sae: int = 0) -> dict[int, np.ndarray]:
    connection: Connection
    with open_atlas(atlas).connect() as connection:
        chosen = list_saes(connection)[sae]
        return get_directions(connection, chosen.sae_id, chosen.record.width, features)


def problem(atlas: Path, sae: int = 0) -> str:
    with open_atlas(atlas).connect() as connection:
        return directions_problem(connection, list_saes(connection)[sae].sae_id)


def test_cosines_are_off_by_less_than_a_thousandth(tmp_path: Path, rows: np.ndarray) -> None:
    atlas = tmp_path / "atlas.db"
    starts = range(0, len(rows), ROWS_PER_BLOCK)
    with AtlasWriter(atlas, {}) as writer:
        writer.add_directions(3, (rows[start : start + ROWS_PER_BLOCK] for start in starts))
        DecoderFile(atlas, [rows]).write()  # as `publish` does with what it was given
        wanted = [0, ROWS_PER_BLOCK - 1, ROWS_PER_BLOCK, len(rows) - 1]
        own = get_directions(writer.connection, 3, D_IN, [*wanted, len(rows)])
        assert sorted(own) == wanted
        for i in wanted:
            for j in wanted:
                assert abs(float(own[i] @ own[j]) - float(rows[i] @ rows[j])) < 1e-3
        assert get_directions(writer.connection, 4, D_IN, wanted) == {}
        assert directions_problem(writer.connection, 4) == ""


def test_numpy_alone_reads_the_file_that_its_name_hashes(path: Path) -> None:
    stored = np.load(the_file(path))
    assert stored.shape == (20, 64) and stored.dtype == np.float16
    assert sorted(found(path, *range(20))) == list(range(20))
    for index, row in found(path, 3, 7).items():
        np.testing.assert_array_equal(row, stored[index].astype(np.float32))
        assert abs(float(np.linalg.norm(row)) - 1) < 1e-3


def test_a_missing_file_is_said(path: Path) -> None:
    assert problem(path) == ""
    the_file(path).unlink()
    assert found(path, 3) == {} and "is missing" in problem(path)
    assert found(path, 3, sae=1) and problem(path, sae=1) == ""


@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_a_damaged_file_is_not_read(path: Path, how: str) -> None:
    file = the_file(path)
    content = bytearray(file.read_bytes())
    if how == "cut":
        del content[-1]
    else:
        content[-1] ^= 1
    file.write_bytes(content)
    assert found(path, 3) == {} and "is damaged" in problem(path)


def test_a_replaced_dictionary_takes_its_file_with_it(tmp_path: Path) -> None:
    atlas = tmp_path / "atlas.db"
    first, second = (DecoderFile(atlas, [np.full((2, 3), value)]) for value in (0.5, 0.25))
    for file in (first, second):
        file.write()
    assert len(list(decoders_folder(atlas).iterdir())) == 2
    drop_other_files(atlas, {second.hash})
    assert [found.name for found in decoders_folder(atlas).iterdir()] == [f"{second.hash[:32]}.npy"]
    drop_other_files(atlas, set())
    assert not decoders_folder(atlas).exists()
