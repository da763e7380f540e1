"""Tables in JSON lines and Parquet: the same rows, the atlas' own numbers, units beside them."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from app.db.records import FeatureRecord
from app.exchange.reader.atlas import Atlas
from app.exchange.tables.catalog import TABLES
from app.exchange.tables.features import SCALARS
from app.notebook.database import open_notebook, writing
from app.notebook.labels import add_label
from app.notebook.records import Subject
from tests.exchange.conftest import N_FEATURES, Export, read_lines

NAMES = [table.name for table in TABLES]
PACKED = {"feature_index", "lives_as", "summary", "short", "sparkline", "ablation_strip"}
"""Fields that aren't columns as they stand"""


def of_parquet(folder: Path, name: str) -> list[dict[str, Any]]:
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


def test_every_scalar_of_a_feature_is_a_column() -> None:
    own = {field.name for field in fields(FeatureRecord)} - PACKED - {"top_tokens"}
    assert {column.name for column in SCALARS} == own


def test_rows_are_equal_in_both_formats(export: Export) -> None:
    lines, columns = export("jsonl", name="jsonl"), export("parquet", name="parquet")
    for name in NAMES:
        first, second = read_lines(lines / f"{name}.jsonl.gz"), of_parquet(columns, name)
        assert len(first) == len(second) > 0
        for one, other in zip(first, second, strict=True):
            assert list(one) == list(other)
            for key, value in one.items():
                if isinstance(value, list) and value and not isinstance(value[0], str):
                    known = [np.nan if v is None else v for v in value]
                    np.testing.assert_array_equal(
                        np.array(known, np.float32), np.array(other[key], np.float32)
                    )
                else:
                    assert value == other[key], key


def test_features_and_examples_are_those_of_the_atlas(export: Export, atlas: Atlas) -> None:
    folder = export("jsonl")
    features = read_lines(folder / "features.jsonl.gz")
    assert len(features) == 2 * N_FEATURES
    examples = iter(read_lines(folder / "examples.jsonl.gz"))
    expected = (one for dictionary in atlas.dictionaries for one in dictionary)
    for feature, row in zip(expected, features, strict=True):
        record = feature.statistics
        assert (row["model"], row["sae"]) == (feature.model, feature.sae)
        for column in SCALARS:
            value = getattr(record, column.name)
            assert row[column.name] == (None if value != value else value)
        assert row["summary"] == feature.summary
        for example in feature.examples:
            text = next(examples)
            assert text["tokens"] == list(example.tokens)
            assert (
                text["tokens"][text["window_index"]]
                == (example.context.tokens[example.token_index])
            )
            at_peak = text["activations"][text["window_index"]]
            if text["group"] not in ("silent", "near"):
                assert np.float32(at_peak) == np.float32(text["activation"])
            assert (text["delete_positions"] is None) == (example.ablation is None)
    assert next(examples, None) is None


def test_token_rates_follow_from_their_counts(export: Export) -> None:
    for row in read_lines(export("jsonl") / "tokens.jsonl.gz"):
        assert row["rate"] == row["n_active"] / row["n_occurrences"]


def test_units_and_words_stand_beside_the_columns(export: Export) -> None:
    folder = export("parquet", "--features", "0..3")
    said = json.loads((folder / "columns.json").read_bytes())["tables"]
    for table in TABLES:
        schema = pq.read_schema(folder / f"{table.name}.parquet")
        assert schema.names == [one["name"] for one in said[table.name]["columns"]]
        for column in table.columns:
            metadata = schema.field(column.name).metadata
            assert metadata[b"unit"].decode() == column.unit
            assert metadata[b"description"].decode() == column.description != ""
    (first, _) = json.loads((folder / "dictionaries.json").read_bytes())
    assert first["corpus"]["position_zero"] and first["dictionary"]["hook_name"]


def test_parquet_is_written_in_row_groups(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.exchange.exporting.parquet.ROWS_PER_GROUP", 16)
    folder = export("parquet")
    found = pq.ParquetFile(folder / "features.parquet").metadata
    sizes = [found.row_group(i).num_rows for i in range(found.num_row_groups)]
    assert sizes == [16] * 5


def test_labels_are_a_table_when_asked_for(export: Export, atlas: Atlas, tmp_path: Path) -> None:
    notebook = tmp_path / "notes.db"
    engine = open_notebook(str(notebook))
    with writing(engine) as connection:
        record = atlas.dictionary("synthetic", "one").record
        about = Subject("synthetic", "one", 2, record.weights_hash)
        add_label(connection, about, "Ada", "errors")
    engine.dispose()
    folder = export("parquet", "--with-labels", "--notebook", str(notebook))
    assert of_parquet(folder, "labels") == [
        {
            "model": "synthetic", "sae": "one", "feature_index": 2, "rank": 0, "label": "errors",
            "author": "Ada", "by_person": True,
        }
    ]  # fmt: skip
    assert not (export("parquet", name="without") / "labels.parquet").exists()


def test_a_lone_export_without_pyarrow_says_what_to_install(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from app.errors import AtlasError

    monkeypatch.delitem(sys.modules, "app.exchange.exporting.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(AtlasError, match=r"pip install 'feature-atlas\[parquet\]'"):
        export("parquet")
