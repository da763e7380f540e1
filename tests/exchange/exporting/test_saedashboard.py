"""SAEDashboard batches against what its own classes say, and against the atlas by recomputation.

Keys and types are those of sae-dashboard 0.8.0 (`neuronpedia/neuronpedia_dashboard.py`), written
down here by hand.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import AtlasError
from app.exchange.reader.atlas import Atlas
from app.exchange.reader.records import Feature
from tests.exchange.conftest import FIRST, N_FEATURES, Export, numbered

BATCH = {
    "model_id": str,
    "layer": int,
    "sae_set": str,
    "sae_id_suffix": type(None),
    "features": list,
}
FEATURE: dict[str, Any] = {
    "feature_index": int,
    "neuron_alignment_indices": [int],
    "neuron_alignment_values": [float],
    "neuron_alignment_l1": [float],
    "correlated_neurons_indices": [int],
    "correlated_neurons_l1": [float],
    "correlated_neurons_pearson": [float],
    "correlated_features_indices": [int],
    "correlated_features_l1": [float],
    "correlated_features_pearson": [float],
    "neg_str": [str],
    "neg_values": [float],
    "pos_str": [str],
    "pos_values": [float],
    "frac_nonzero": float,
    "freq_hist_data_bar_values": [float],
    "freq_hist_data_bar_heights": [int],
    "logits_hist_data_bar_heights": [int],
    "logits_hist_data_bar_values": [float],
    "n_prompts_total": int,
    "n_tokens_in_prompt": int,
    "dataset": str,
    "decoder_weights_dist": [float],
    "activations": list,
    "vector": [float],
}
ACTIVATION: dict[str, Any] = {
    "bin_min": (int, float),
    "bin_max": float,
    "bin_contains": (int, float),
    "tokens": [str],
    "values": [float],
    "qualifying_token_index": int,
}


def check(record: dict[str, Any], model: dict[str, Any]) -> None:
    """Keys in the same order, values of the types."""
    assert list(record) == list(model)
    for name, kind in model.items():
        value = record[name]
        if isinstance(kind, list):
            assert isinstance(value, list) and all(type(one) is kind[0] for one in value), name
        else:
            assert isinstance(value, kind) and type(value) is not bool, name


def features_of(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_bytes()) for path in numbered(folder, "batch-*.json")]
    return [feature for batch in found for feature in batch["features"]]


def pairs(atlas: Atlas, folder: Path) -> list[tuple[Feature, dict[str, Any]]]:
    """Each feature of the atlas with what was written of it."""
    dictionary = atlas.dictionary("synthetic", "one")
    return list(zip(dictionary, features_of(folder), strict=True))


@pytest.fixture
def folder(export: Export) -> Path:
    return export("saedashboard", "--sae", FIRST)


def test_keys_and_types_are_those_of_its_classes(folder: Path) -> None:
    for path in folder.glob("batch-*.json"):
        batch = json.loads(path.read_bytes())
        check(batch, BATCH)
        assert (batch["model_id"], batch["layer"], batch["sae_set"]) == ("synthetic", 2, "one")
        for feature in batch["features"]:
            check(feature, FEATURE)
            for activation in feature["activations"]:
                check(activation, ACTIVATION)


def test_every_feature_is_there_in_order_dead_ones_with_empty_lists(
    folder: Path, atlas: Atlas
) -> None:
    found = features_of(folder)
    assert [feature["feature_index"] for feature in found] == list(range(N_FEATURES))
    dead = [one for one in atlas.dictionary("synthetic", "one") if not one.statistics.n_active]
    assert dead
    for feature in dead:
        record = found[feature.feature_index]
        assert record["frac_nonzero"] == 0
        assert record["activations"] == record["freq_hist_data_bar_heights"] == []
        assert record["freq_hist_data_bar_values"] == []
        assert len(record["pos_str"]) == len(record["pos_values"]) > 0


def test_texts_lack_the_first_position_and_places_count_from_the_second(
    folder: Path, atlas: Atlas
) -> None:
    for feature, record in pairs(atlas, folder):
        wanted = [
            *feature.top_examples,
            *sorted(feature.group("interval"), key=lambda one: -one.band.number if one.band else 0),
        ]
        assert len(wanted) == len(record["activations"])
        for example, found in zip(wanted, record["activations"], strict=True):
            assert found["tokens"] == list(example.context.tokens[1:])
            dense = np.zeros(len(example.context.tokens), np.float32)
            dense[example.firing_indices] = example.firing_activations
            assert np.array_equal(np.array(found["values"], np.float32), dense[1:])
            place = found["qualifying_token_index"]
            assert place == example.token_index - 1
            assert np.float32(found["values"][place]) == np.float32(example.activation)


def test_groups_are_marked_and_intervals_are_shares_of_all_tokens(
    folder: Path, atlas: Atlas
) -> None:
    dictionary = atlas.dictionary("synthetic", "one")
    n_tokens = dictionary.corpus.n_counted
    for feature, record in zip(dictionary, features_of(folder), strict=True):
        n_top = len(feature.top_examples)
        for found in record["activations"][:n_top]:
            assert (found["bin_min"], found["bin_contains"]) == (-1, -1)
            assert found["bin_max"] == pytest.approx(feature.statistics.max_activation, rel=1e-6)
        bands = {one.band.number: one.band for one in feature.group("interval") if one.band}
        seen = []
        for found in record["activations"][n_top:]:
            ends = np.array([found["bin_min"], found["bin_max"]], np.float32)
            (number,) = [
                i
                for i, band in bands.items()
                if np.array_equal(ends, np.array([band.low if i else 0, band.high], np.float32))
            ]
            seen.append(number)
            inside = bands[number].n_active
            assert inside is not None
            if number == 0:  # the lowest one holds the zeros
                assert feature.statistics.n_active is not None
                inside += n_tokens - feature.statistics.n_active
            assert found["bin_contains"] == round(inside / n_tokens, 5)
        assert seen == sorted(seen, reverse=True)


def test_bars_are_named_by_their_middle_and_shares_are_rounded(folder: Path, atlas: Atlas) -> None:
    for feature, record in pairs(atlas, folder):
        assert feature.statistics.density is not None
        assert record["frac_nonzero"] == round(feature.statistics.density, 5)
        heights = record["freq_hist_data_bar_heights"]
        assert sum(heights) == feature.statistics.n_active
        for i, value in enumerate(record["freq_hist_data_bar_values"]):
            largest = feature.statistics.max_activation
            assert largest is not None
            assert value == pytest.approx(largest * (i + 0.5) / len(heights), rel=1e-6)
        assert feature.logit_lens is not None and feature.logit_lens.histogram is not None
        edges = feature.logit_lens.histogram.edges
        assert record["logits_hist_data_bar_values"] == ((edges[1:] + edges[:-1]) / 2).tolist()


def test_logits_are_the_adjusted_ones_or_the_raw_ones_without_a_histogram(
    export: Export, atlas: Atlas
) -> None:
    for scale in ("adjusted", "raw"):
        folder = export("saedashboard", "--sae", FIRST, "--logits", scale, name=scale)
        for feature, record in pairs(atlas, folder):
            assert feature.logit_lens is not None
            wanted = getattr(feature.logit_lens, scale)
            assert record["pos_str"] == [one.token for one in wanted.positive]
            assert record["neg_values"] == pytest.approx([one.logit for one in wanted.negative])
            assert bool(record["logits_hist_data_bar_heights"]) == (scale == "adjusted")


def test_nobody_is_called_dead_who_was_not_chosen(export: Export) -> None:
    folder = export("saedashboard", "--sae", FIRST, "--features", "3,5,7..9")
    assert [one["feature_index"] for one in features_of(folder)] == [3, 5, 7, 8, 9]
    skipped = json.loads((folder / "skipped_indexes.json").read_bytes())
    assert list(skipped) == ["model_id", "layer", "sae_set", "log_sparsity", "skipped_indexes"]
    assert skipped["layer"] == "2" and skipped["skipped_indexes"] == []


def test_settings_say_what_the_atlas_knows(folder: Path, atlas: Atlas) -> None:
    settings = json.loads((folder / "run_settings.json").read_bytes())
    corpus = atlas.dictionary("synthetic", "one").corpus
    assert settings["n_prompts_total"] == corpus.n_contexts
    assert settings["n_tokens_in_prompt"] == corpus.context_size
    assert settings["feature_atlas"]["n_tokens"] == corpus.n_tokens


def test_a_batch_holds_so_many_features(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.exchange.exporting.saedashboard.FEATURES_PER_BATCH", 16)
    folder = export("saedashboard", "--sae", FIRST)
    sizes = [len(json.loads(path.read_bytes())["features"]) for path in numbered(folder, "batch-*")]
    assert sizes == [16, 16, 8]


def test_names_can_be_said(export: Export) -> None:
    folder = export(
        "saedashboard", "--sae", FIRST, "--features", "0", "--model-id", "gpt2-small",
        "--set", "res-xy", "--layer", "3", "--suffix", "v2",
    )  # fmt: skip
    batch = json.loads((folder / "batch-0.json").read_bytes())
    assert [batch[name] for name in list(BATCH)[:4]] == ["gpt2-small", 3, "res-xy", "v2"]


def test_one_of_several_dictionaries_has_to_be_chosen(export: Export) -> None:
    with pytest.raises(
        AtlasError, match=r"choose with --sae one of synthetic/one, synthetic/two\."
    ):
        export("saedashboard")
    with pytest.raises(AtlasError, match="There is no dictionary synthetic/tow"):
        export("saedashboard", "--sae", "synthetic/tow")
    with pytest.raises(AtlasError, match="can't be part of an address"):
        export("saedashboard", "--sae", FIRST, "--set", "../up")
