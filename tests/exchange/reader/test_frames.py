"""Frames hold the tables' columns, one row each, with types pandas can count with."""

from typing import Any

import pandas as pd
import pytest

from app.errors import AtlasError
from app.exchange.reader.atlas import Atlas
from app.exchange.tables.catalog import TABLES
from tests.exchange.conftest import N_FEATURES


def test_features_are_rows_with_countable_columns(atlas: Atlas) -> None:
    dictionary = atlas.dictionary("synthetic", "one")
    frame = dictionary.features_frame()
    assert list(frame.columns) == [column.name for column in TABLES[0].columns]
    assert len(frame) == N_FEATURES
    assert frame["n_active"].dtype == "int64" and frame["density"].dtype == "float64"
    assert frame["top_token_id"].dtype == "Int64"
    dead: Any = frame[frame["n_active"] == 0]
    assert len(dead) and dead["top_token_id"].isna().all() and dead["max_activation"].isna().all()
    for index in (1, 7):
        record = dictionary.feature(index).statistics
        assert frame.loc[index, "density"] == record.density
    assert frame.nlargest(3, "density")["density"].is_monotonic_decreasing


def test_examples_can_be_limited_to_features_and_groups(atlas: Atlas) -> None:
    dictionary = atlas.dictionary("synthetic", "one")
    frame = dictionary.examples_frame([7, 8], groups=["top", "silent"])
    assert set(frame["group"]) == {"top", "silent"}
    expected = [len(dictionary.feature(index).top_examples) for index in (7, 8)]
    counts = frame[frame["group"] == "top"].groupby("feature_index").size()
    assert counts.tolist() == expected
    first = frame.iloc[0]
    assert "".join(first["tokens"]) == dictionary.feature(7).top_examples[0].text
    assert first["activations"].shape == (len(first["tokens"]),)


def test_tokens_and_logits_are_frames_too(atlas: Atlas) -> None:
    dictionary = atlas.dictionary("synthetic", "one")
    tokens, logits = dictionary.tokens_frame([7]), dictionary.logits_frame([7])
    assert len(tokens) == len(dictionary.feature(7).tokens)
    assert set(logits["scale"]) == {"adjusted", "raw"}
    assert pd.api.types.is_float_dtype(logits["logit"])


def test_no_feature_gives_an_empty_frame_with_all_columns(atlas: Atlas) -> None:
    frame = atlas.dictionary("synthetic", "one").examples_frame([])
    assert len(frame) == 0
    assert list(frame.columns) == [column.name for column in TABLES[1].columns]


def test_a_group_that_is_none_is_refused(atlas: Atlas) -> None:
    dictionary = atlas.dictionaries[0]
    with pytest.raises(AtlasError, match="no group 'nonsense': known are top, interval"):
        dictionary.examples_frame([1], groups=["nonsense"])  # type: ignore[list-item]
