"""The stored map of directions: written, read, replaced, and absent."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from app.db.catalog import find_sae
from app.db.engine import open_atlas
from app.db.maps import get_direction_map
from app.db.records import DirectionMap
from app.db.writer import AtlasWriter
from tests.db.conftest import CORPUS, MODEL, SAE, WriteAtlas, bundle, tokens


def _read(path: Path) -> DirectionMap | None:
    atlas = open_atlas(path)
    try:
        with atlas.connect() as connection:
            return get_direction_map(connection, _sae_id(connection))
    finally:
        atlas.close()


def _sae_id(connection: Connection) -> int:
    sae = find_sae(connection, "tiny", "first")
    assert sae is not None
    return sae.sae_id


def _add(path: Path, found: DirectionMap | None) -> None:
    """Replaces the dictionary of the atlas, with another map or with none."""
    with AtlasWriter(path, {"feature-atlas": "test"}) as writer:
        model_id = writer.add_model(MODEL, tokens())
        corpus_id = writer.add_corpus(model_id, CORPUS, np.array([0, 9, 6, 3, 3]), ["text.txt"])
        sae_id = writer.add_sae(model_id, corpus_id, replace(SAE, d_sae=3), replace=True)
        writer.add_features(sae_id, [bundle(i) for i in range(3)])
        if found is not None:
            writer.add_direction_map(sae_id, found)
        writer.publish()


def test_a_map_comes_back_exactly(write_atlas: WriteAtlas) -> None:
    path = write_atlas()
    positions = np.array([[0.1, -2.5], [1e-9, 3.0], [7.0, 0.0]], np.float32)
    _add(path, DirectionMap("by hand", positions))
    found = _read(path)
    assert found is not None
    assert found.method == "by hand"
    assert found.positions.dtype == np.float32
    assert (found.positions == positions).all()


def test_a_replaced_dictionary_loses_its_map(write_atlas: WriteAtlas) -> None:
    path = write_atlas()
    _add(path, DirectionMap("first", np.zeros((3, 2), np.float32)))
    _add(path, DirectionMap("second", np.ones((3, 2), np.float32)))
    found = _read(path)
    assert found is not None
    assert found.method == "second"
    _add(path, None)
    assert _read(path) is None


def test_an_atlas_without_maps_has_none(write_atlas: WriteAtlas) -> None:
    assert _read(write_atlas()) is None
