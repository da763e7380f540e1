"""An atlas appears whole or not at all, and grows without harm to what it holds."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.db.catalog import find_sae, list_saes
from app.db.engine import open_atlas
from app.db.examples import get_contexts, get_groups
from app.db.features import get_feature
from app.db.writer import AtlasWriter
from app.errors import AtlasError
from tests.db.conftest import MODEL, SAE, WriteAtlas, bundle, top_examples


def test_what_was_written_is_read_back(write_atlas: WriteAtlas) -> None:
    atlas = open_atlas(write_atlas())
    with atlas.connect() as connection:
        (sae,) = list_saes(connection)
        assert sae.address == "tiny/first"
        assert sae.model == MODEL and sae.record == SAE
        examples, ablations = get_groups(connection, sae.sae_id, 1)["top"]
        np.testing.assert_array_equal(examples.activation, [3.0, 1.0])
        assert ablations is None
        stored = get_contexts(connection, sae.corpus_id, [0, 2, 99])
        assert sorted(stored) == [0, 2]
        assert stored[2].token_ids.tolist() == [0, 1, 2, 3, 4, 1, 2, 3]


def test_nothing_appears_before_it_is_published(tmp_path: Path) -> None:
    path = tmp_path / "atlas.db"
    with pytest.raises(RuntimeError), AtlasWriter(path, {}) as writer:
        writer.add_model(MODEL, [])
        assert not path.exists()
        raise RuntimeError("killed")
    assert list(tmp_path.iterdir()) == []


def test_a_second_dictionary_leaves_the_first_as_it_was(write_atlas: WriteAtlas) -> None:
    before = open_atlas(write_atlas())
    path = write_atlas(sae=replace(SAE, sae="second"))
    after = open_atlas(path)
    assert after.build_id != before.build_id
    with before.connect() as old, after.connect() as new:
        assert [sae.record.sae for sae in list_saes(new)] == ["first", "second"]
        assert get_feature(new, 1, 2) == get_feature(old, 1, 2)


def test_the_same_name_needs_replace(write_atlas: WriteAtlas) -> None:
    path = write_atlas()
    content = path.read_bytes()
    with pytest.raises(AtlasError, match="already holds tiny/first: use --replace"):
        write_atlas()
    assert path.read_bytes() == content
    write_atlas([bundle(0, max_activation=9.0)], replace_sae=True)
    with open_atlas(path).connect() as connection:
        sae = find_sae(connection, "tiny", "first")
        assert sae is not None and sae.record.d_sae == 1
        record = get_feature(connection, sae.sae_id, 0)
        assert record is not None and record.max_activation == 9.0


@pytest.mark.parametrize("field", ["weights_hash", "tokenizer_hash"])
def test_another_model_under_the_same_name_is_refused(write_atlas: WriteAtlas, field: str) -> None:
    write_atlas()
    other = replace(MODEL, **{field: "other"})
    with pytest.raises(AtlasError, match="already holds another model called 'tiny'"):
        write_atlas(model=other, sae=replace(SAE, sae="second"))


def test_a_contradiction_is_not_published(write_atlas: WriteAtlas, tmp_path: Path) -> None:
    wrong = bundle(1)
    wrong = replace(wrong, record=replace(wrong.record, n_active=5))
    with pytest.raises(AtlasError, match="histogram sums to 2, n_active is 5"):
        write_atlas([bundle(0), wrong])
    unsorted = replace(bundle(1), examples={"top": top_examples([0, 2], [1.0, 3.0])})
    with pytest.raises(AtlasError, match="feature 1, top examples: not in order"):
        write_atlas([bundle(0), unsorted])
    missing = replace(bundle(1), examples={"top": top_examples([0, 77], [3.0, 1.0])})
    with pytest.raises(AtlasError, match="a context they point to is not stored"):
        write_atlas([bundle(0), missing])
    with pytest.raises(AtlasError, match="expected one for each of 2 features"):
        write_atlas([bundle(0)], d_sae=2)
    assert list(tmp_path.iterdir()) == []


def test_an_atlas_of_another_schema_is_refused(write_atlas: WriteAtlas) -> None:
    path = write_atlas()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", ("99",))
    connection.close()
    with pytest.raises(AtlasError, match=r"version 99.*build it again"):
        open_atlas(path)


def test_what_is_no_atlas_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text(json.dumps({"not": "a database"}) * 100)
    with pytest.raises(AtlasError, match="is not an atlas"):
        open_atlas(text)
    with pytest.raises(AtlasError, match="There is no atlas at"):
        open_atlas(tmp_path / "missing.db")


def test_two_writers_at_once_do_not_lose_each_others_work(
    write_atlas: WriteAtlas, tmp_path: Path
) -> None:
    path = tmp_path / "atlas.db"
    with AtlasWriter(path, {}):
        with pytest.raises(AtlasError, match=r"Another process is writing .*atlas\.db: run the"):
            write_atlas()
        assert path.with_name("atlas.db.partial").exists()
    write_atlas()
    with open_atlas(path).connect() as connection:
        assert [sae.address for sae in list_saes(connection)] == ["tiny/first"]


def test_who_was_refused_leaves_the_file_to_others(write_atlas: WriteAtlas, tmp_path: Path) -> None:
    path = tmp_path / "atlas.db"
    path.write_text("not an atlas")
    with pytest.raises(AtlasError, match="is not an atlas"):
        write_atlas()
    path.unlink()
    assert list(tmp_path.iterdir()) == []
    write_atlas()
    assert [each.name for each in tmp_path.iterdir()] == ["atlas.db"]


def test_an_output_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="Can't write"):
        AtlasWriter(tmp_path / "no" / "such" / "folder" / "atlas.db", {})
