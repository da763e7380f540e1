"""An export that is imported exports the same again: nothing is lost or made up on the way.

What a format rounds or doesn't hold is gone after the first export; from then on it stays as it is.
"""

import json
import sqlite3
from pathlib import Path
from shutil import copy
from typing import Any

import pytest

from app.exchange.building.build import Asked, build_atlas
from app.exchange.foreign import Importer
from app.exchange.importing.circuit_tracer import CIRCUIT_TRACER
from app.exchange.importing.neuronpedia import NEURONPEDIA
from app.exchange.importing.saedashboard import SAEDASHBOARD
from feature_atlas import Atlas
from tests.exchange.conftest import FIRST, Export, numbered, read_lines


def imported(importer: Importer, folder: Path, output: Path) -> Path:
    sources = importer.open(folder)
    build_atlas(output, sources, Asked(importer.name, importer.name, folder))
    return output


def of_neuronpedia(folder: Path, kind: str) -> list[dict[str, Any]]:
    (place,) = (folder / "v1").glob("*/*")
    return [row for path in numbered(place / kind, "batch-*") for row in read_lines(path)]


def test_neuronpedia(export: Export, tmp_path: Path) -> None:
    first = export("neuronpedia", "--sae", FIRST, name="first")
    atlas = imported(NEURONPEDIA, first, tmp_path / "imported.db")
    second = export("neuronpedia", "--set", "one", name="second", atlas=atlas)
    known = {
        "index", "maxActApprox", "frac_nonzero", "freq_hist_data_bar_heights", "neg_str",
        "neg_values", "pos_str", "pos_values", "logits_hist_data_bar_heights",
    }  # fmt: skip
    features = [of_neuronpedia(folder, "features") for folder in (first, second)]
    assert len(features[0]) == len(features[1]) > 30
    for one, other in zip(*features, strict=True):
        assert {name: one[name] for name in known} == {name: other[name] for name in known}
        itself = int(one["index"])  # which the invented atlas may call its own neighbour
        near = [index for index in one["topkCosSimIndices"] if index != itself]
        assert near == other["topkCosSimIndices"]
    texts = [of_neuronpedia(folder, "activations") for folder in (first, second)]
    assert len(texts[0]) == len(texts[1]) > 1_000
    for one, other in zip(*texts, strict=True):
        for name in ("index", "tokens", "values", "qualifyingTokenIndex", "binMin", "binMax"):
            assert one[name] == other[name], name


def test_circuit_tracer(export: Export, tmp_path: Path) -> None:
    first = export("circuit-tracer", "--sae", FIRST, name="first")
    atlas = imported(CIRCUIT_TRACER, first, tmp_path / "imported.db")
    second = export("circuit-tracer", name="second", atlas=atlas)
    names = sorted(path.name for path in first.glob("*.json"))
    assert names == sorted(path.name for path in second.glob("*.json"))
    for name in names:
        one, other = (json.loads((folder / name).read_bytes()) for folder in (first, second))
        assert one["activation_frequency"] == other["activation_frequency"]
        assert _without_nul(one["top_logits"]) == _without_nul(other["top_logits"])
        for group, again in zip(
            one["examples_quantiles"], other["examples_quantiles"], strict=True
        ):
            assert len(group["examples"]) == len(again["examples"])
            for text, same in zip(group["examples"], again["examples"], strict=True):
                assert text["tokens_acts_list"] == same["tokens_acts_list"]
                assert _without_nul(text["tokens"]) == _without_nul(same["tokens"])
                assert text["train_token_ind"] == same["train_token_ind"]


def test_the_reader_says_what_an_import_has(export: Export, tmp_path: Path) -> None:
    first = export("neuronpedia", "--sae", FIRST, "--features", "3,5,7", name="first")
    with Atlas.open(imported(NEURONPEDIA, first, tmp_path / "imported.db")) as atlas:
        (dictionary,) = atlas.dictionaries
        assert [one.feature_index for one in dictionary] == [3, 5, 7] and len(dictionary) == 3
        feature = dictionary.feature(7)
        assert feature.top_examples and feature.tokens == () and feature.coactive == ()
        assert feature.statistics.decoder_norm is None
        frame: Any = dictionary.features_frame()
        assert frame["decoder_norm"].isna().all() and frame["density"].notna().all()


def test_numbers_that_an_import_lacks_are_null(export: Export, tmp_path: Path) -> None:
    first = export("neuronpedia", "--sae", FIRST, "--features", "7", name="first")
    atlas = imported(NEURONPEDIA, first, tmp_path / "imported.db")
    with Atlas.open(atlas) as opened:
        (feature,) = opened.dictionaries[0]
        example, lens = feature.top_examples[0], feature.logit_lens
        assert (example.position, example.window_position) == (None, None)
        assert set(example.token_ids) == {None} and example.context.first_position is None
        assert example.context_activations[example.token_index] == example.activation
        assert lens is not None and lens.imported.positive and not lens.raw.positive
        assert {one.token_id for one in lens.imported.positive} == {None}
    tables = export("jsonl", name="tables", atlas=atlas)
    rows = read_lines(tables / "examples.jsonl.gz")
    assert {(one["position"], one["window_start"], one["token_ids"]) for one in rows} == {
        (None, None, None)
    }
    for one in rows:
        assert one["activations"][one["window_index"]] == pytest.approx(one["activation"])
    logits = read_lines(tables / "logits.jsonl.gz")
    assert {(one["scale"], one["token_id"]) for one in logits} == {("as imported", None)}
    again = export("saedashboard", "--layer", "2", name="again", atlas=atlas)
    settings = json.loads((again / "run_settings.json").read_text())
    assert settings["feature_atlas"]["logits"] == "as imported"


def test_positions_that_an_import_knows_count_from_the_start(
    export: Export, tmp_path: Path
) -> None:
    first = export("saedashboard", "--sae", FIRST, "--features", "7", name="first")
    with Atlas.open(imported(SAEDASHBOARD, first, tmp_path / "imported.db")) as atlas:
        (feature,) = atlas.dictionaries[0]
        for example in feature.top_examples:
            assert example.context.first_position == 1
            assert example.position == example.token_index + 1


def _without_nul(tokens: list[str]) -> list[str]:
    return [token.replace("\0", "") for token in tokens]


def test_a_transcoders_two_places_come_back(
    export: Export, atlas_file: Path, tmp_path: Path
) -> None:
    of = copy(atlas_file, tmp_path / "atlas.db")
    reads, writes = "blocks.2.ln2.hook_normalized", "blocks.2.hook_mlp_out"
    with sqlite3.connect(of) as connection:
        more = {"hook_name": reads, "hook_name_out": writes, "d_out": 7}
        connection.execute("UPDATE sae SET record = json_patch(record, ?)", (json.dumps(more),))
    first = export("saedashboard", "--sae", FIRST, name="first", atlas=of)
    with Atlas.open(imported(SAEDASHBOARD, first, tmp_path / "imported.db")) as atlas:
        record = atlas.dictionary(*FIRST.split("/")).record
    assert (record.hook_name, record.hook_name_out, record.d_out) == (reads, writes, 7)
    assert record.place == f"{reads} → {writes}"
