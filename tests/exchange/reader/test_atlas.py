"""The reader says what the atlas' own queries say, read-only, and without torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.exc import SQLAlchemyError

from app.db.examples import get_contexts, get_groups
from app.db.features import get_panels
from app.db.tokens import get_tokens
from feature_atlas import Atlas, AtlasError, Feature
from tests.exchange.conftest import N_FEATURES


def test_dictionaries_say_what_they_are(atlas: Atlas) -> None:
    first, second = atlas.dictionaries
    assert (first.address, second.address) == ("synthetic/one", "synthetic/two")
    assert len(first) == N_FEATURES == first.record.d_sae
    assert first.corpus.context_size == 128 and first.model.n_layers == 4
    assert atlas.dictionary("synthetic", "two") is second


def test_a_feature_is_what_is_stored(atlas: Atlas) -> None:
    dictionary = atlas.dictionary("synthetic", "one")
    sae = dictionary.stored
    feature = atlas.feature("synthetic", "one", 7)
    panels = get_panels(atlas.connection, sae.sae_id, 7)
    assert panels.tokens is not None and panels.logit_lens is not None
    assert [one.token_id for one in feature.tokens] == panels.tokens.token_id.tolist()
    texts = get_tokens(atlas.connection, sae.model_id, panels.tokens.token_id)
    assert [one.token for one in feature.tokens] == [
        texts[token_id].token for token_id in panels.tokens.token_id.tolist()
    ]
    assert sum(one.n_active for one in feature.tokens) <= (feature.statistics.n_active or 0)
    assert feature.logit_lens is not None
    positive = feature.logit_lens.adjusted.positive
    assert [one.logit for one in positive] == panels.logit_lens.adjusted_positive.tolist()
    assert feature.histogram is not None
    assert feature.histogram.counts.sum() == feature.statistics.n_active
    assert feature.histogram.edges[-1] == pytest.approx(feature.statistics.max_activation)
    assert [one.feature_index for one in feature.neighbors] == (
        panels.neighbors.feature_index.tolist() if panels.neighbors else []
    )


def test_examples_hold_their_window_and_their_whole_context(atlas: Atlas) -> None:
    sae = atlas.dictionary("synthetic", "one").stored
    feature = atlas.feature("synthetic", "one", 7)
    stored = get_groups(atlas.connection, sae.sae_id, 7)
    assert [one.rank for one in feature.top_examples] == list(range(len(feature.top_examples)))
    for example in feature.examples:
        group = stored[example.group][0]
        assert example.context.context_id == group.context_id[example.rank]
        (context,) = get_contexts(
            atlas.connection, sae.corpus_id, [example.context.context_id]
        ).values()
        assert example.context.token_ids == tuple(context.token_ids.tolist())
        inside = slice(example.window_start, example.window_stop)
        assert example.token_ids == tuple(context.token_ids[inside].tolist())
        assert example.text == "".join(example.tokens)
        assert example.context_activations.shape == (len(example.context.tokens),)
        assert np.array_equal(example.activations, example.context_activations[inside])
        assert example.context_activations[example.token_index] == np.float32(example.activation)
        assert example.document


def test_ablated_text_stands_at_its_example(atlas: Atlas) -> None:
    sae = atlas.dictionary("synthetic", "one").stored
    stored = get_groups(atlas.connection, sae.sae_id, 7)["top"][1]
    assert stored is not None
    examples = atlas.feature("synthetic", "one", 7).top_examples
    having = [one for one in examples if one.ablation is not None]
    assert [one.rank for one in having] == stored.rank.tolist()
    for row, example in enumerate(having):
        assert example.ablation is not None
        inside = slice(stored.delete_indptr[row], stored.delete_indptr[row + 1])
        assert np.array_equal(example.ablation.delete.positions, stored.delete_position[inside])
        assert np.array_equal(example.ablation.delete.activation, stored.delete_effect[inside])
        assert np.array_equal(
            example.ablation.context_filled, stored.context_filled[row], equal_nan=True
        )


def test_a_dead_feature_has_nothing_that_a_firing_gives(atlas: Atlas) -> None:
    dead = [one for one in atlas.dictionary("synthetic", "one") if not one.statistics.n_active]
    assert dead
    for feature in dead:
        assert feature.histogram is None and feature.tokens == () and feature.examples == ()
        assert feature.statistics.max_activation is None


def test_features_can_be_walked_through(atlas: Atlas) -> None:
    dictionary = atlas.dictionary("synthetic", "two")
    assert [one.feature_index for one in dictionary] == list(range(N_FEATURES))
    assert [one.feature_index for one in dictionary.features([5, 2])] == [5, 2]
    assert isinstance(dictionary.feature(0), Feature)


def test_contexts_are_kept_up_to_a_limit(atlas: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.exchange.reader.lookups.MOST_TOKENS_KEPT", 0)
    dictionary = atlas.dictionary("synthetic", "one")
    few = [one.examples for one in dictionary.features([7, 8, 7])]
    assert len(dictionary._lookups._contexts._values) <= 64
    assert [one.text for one in few[0]] == [one.text for one in few[2]]


def test_what_is_not_there_is_said(atlas: Atlas, tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="There is no dictionary synthetic/three"):
        atlas.feature("synthetic", "three", 0)
    with pytest.raises(AtlasError, match="has no feature 40: it has features 0 to 39"):
        atlas.feature("synthetic", "one", N_FEATURES)
    with pytest.raises(AtlasError, match="There is no atlas at"):
        Atlas.open(tmp_path / "none.db")


def test_nothing_can_be_written_and_closing_closes(atlas_file: Path) -> None:
    before = atlas_file.read_bytes()
    with Atlas.open(atlas_file) as atlas:
        atlas.feature("synthetic", "one", 1)
        with pytest.raises(SQLAlchemyError, match="readonly"):
            atlas.connection.exec_driver_sql("DELETE FROM feature")
    with pytest.raises(SQLAlchemyError):
        atlas.feature("synthetic", "one", 1)
    assert atlas_file.read_bytes() == before


def test_it_reads_without_torch_pyarrow_and_pandas(atlas_file: Path) -> None:
    program = f"""
import sys
for name in ("torch", "transformers", "transformer_lens", "datasets", "pyarrow", "pandas"):
    sys.modules[name] = None
from feature_atlas import Atlas, AtlasError
with Atlas.open({str(atlas_file)!r}) as atlas:
    assert atlas.feature("synthetic", "one", 7).top_examples[0].text
    try:
        atlas.dictionary("synthetic", "one").features_frame()
    except AtlasError as error:
        assert "pip install pandas" in str(error), error
    else:
        raise AssertionError("a frame without pandas")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
