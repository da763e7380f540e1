"""circuit-tracer's files against what its frontend reads, and against the atlas by recomputation.

Keys and types are those of circuit-tracer 0.5.0 (`frontend/feature_models.py`), null where its
JavaScript asks whether something is there; the number of a file is unpaired as `util.js` does.
"""

import json
import re
import sqlite3
from math import isqrt
from pathlib import Path
from shutil import copy
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.errors import AtlasError
from app.exchange.reader.atlas import Atlas
from tests.exchange.conftest import FIRST, N_FEATURES, Export

MODEL: dict[str, Any] = {
    "transcoder_id": str,
    "index": int,
    "examples_quantiles": list,
    "top_logits": list,
    "bottom_logits": list,
    "act_min": (float, type(None)),
    "act_max": (float, type(None)),
    "quantile_values": type(None),
    "histogram": (list, type(None)),
    "activation_frequency": float,
}
EXAMPLE: dict[str, Any] = {
    "tokens_acts_list": list,
    "train_token_ind": int,
    "is_repeated_datapoint": bool,
    "tokens": list,
}


def unpaired(number: int) -> tuple[int, int]:
    """(layer, feature) of a file's number."""
    w = (isqrt(8 * number + 1) - 1) // 2
    feature = number - w * (w + 1) // 2
    return w - feature, feature


def read(folder: Path) -> dict[tuple[int, int], dict[str, Any]]:
    return {
        unpaired(int(path.stem)): json.loads(path.read_bytes()) for path in folder.glob("*.json")
    }


def test_keys_and_types_are_those_its_frontend_reads(export: Export) -> None:
    found = read(export("circuit-tracer", "--sae", FIRST))
    assert sorted(found) == [(2, index) for index in range(N_FEATURES)]
    for (_, index), feature in found.items():
        assert list(feature) == list(MODEL)
        assert all(isinstance(feature[name], kind) for name, kind in MODEL.items()), feature
        assert feature["index"] == index
        for quantile in feature["examples_quantiles"]:
            assert list(quantile) == ["quantile_name", "examples"]
            for example in quantile["examples"]:
                assert list(example) == list(EXAMPLE)
                assert all(isinstance(example[name], kind) for name, kind in EXAMPLE.items())


def test_texts_are_the_windows_of_the_atlas(export: Export, atlas: Atlas) -> None:
    found = read(export("circuit-tracer", "--sae", FIRST))
    for feature in atlas.dictionary("synthetic", "one"):
        written = found[2, feature.feature_index]["examples_quantiles"]
        if not feature.examples:
            assert written == []
            continue
        assert written[0]["quantile_name"] == "Top Activations"
        names = [group["quantile_name"] for group in written[1:]]
        bands = {one.band.number: one.band for one in feature.group("interval") if one.band}
        for i, (name, number) in enumerate(zip(names, sorted(bands)[::-1], strict=True)):
            said, _, ends = name.partition(": ")
            assert said == f"Subsample Interval {i}"
            low, high = map(float, ends.split(" to "))
            assert np.float32(high) == np.float32(bands[number].high)
            assert np.float32(low) == np.float32(bands[number].low if number else 0)
        for example, one in zip(feature.top_examples, written[0]["examples"], strict=True):
            start = max(1, example.window_start)
            assert one["tokens"] == list(example.context.tokens[start : example.window_stop])
            place = one["train_token_ind"]
            assert example.context.tokens[start + place] == one["tokens"][place]
            assert np.float32(one["tokens_acts_list"][place]) == np.float32(example.activation)
        peaks = [
            max(one["tokens_acts_list"][one["train_token_ind"]] for one in group["examples"])
            for group in written[1:]
        ]
        assert peaks == sorted(peaks, reverse=True)
        top = {(one.context.context_id, one.token_index) for one in feature.top_examples}
        repeated = sum(
            (one.context.context_id, one.token_index) in top for one in feature.group("interval")
        )
        marked = [one for group in written[1:] for one in group["examples"]]
        assert sum(one["is_repeated_datapoint"] for one in marked) == repeated


def test_numbers_are_the_atlas_own_and_null_where_there_are_none(
    export: Export, atlas: Atlas
) -> None:
    found = read(export("circuit-tracer", "--sae", FIRST))
    for feature in atlas.dictionary("synthetic", "one"):
        one = found[2, feature.feature_index]
        assert one["activation_frequency"] == feature.statistics.density
        if feature.histogram is None:
            assert one["histogram"] is one["act_min"] is one["act_max"] is None
        else:
            assert one["histogram"] == feature.histogram.counts.tolist()
            assert one["act_min"] == 0
            assert one["act_max"] == pytest.approx(feature.statistics.max_activation)
        assert feature.logit_lens is not None
        assert one["top_logits"] == [t.token for t in feature.logit_lens.adjusted.positive]


def test_dictionaries_of_different_layers_share_a_folder(export: Export) -> None:
    found = read(export("circuit-tracer", "--features", "0..4"))
    assert sorted(found) == [(layer, index) for layer in (1, 2) for index in range(5)]
    with pytest.raises(AtlasError, match="Two dictionaries are of layer 3"):
        export("circuit-tracer", "--layer", "3", name="other")


def test_a_layer_the_model_does_not_have_is_refused(export: Export) -> None:
    with pytest.raises(AtlasError, match=r"--layer is 99999999999, expected 0 to 3\."):
        export("circuit-tracer", "--sae", FIRST, "--layer", "99999999999")


def test_what_has_no_place_is_said(atlas_file: Path, tmp_path: Path) -> None:
    of = copy(atlas_file, tmp_path / "atlas.db")
    with sqlite3.connect(of) as connection:
        more = json.dumps({"hook_name_out": "blocks.2.hook_mlp_out"})
        connection.execute("UPDATE sae SET record = json_patch(record, ?)", (more,))
    for form, said in (
        ("circuit-tracer", r"no place for hooks: synthetic/one is at .* → blocks.2.hook_mlp_out\."),
        ("neuronpedia", r"a second hook: synthetic/one writes at blocks.2.hook_mlp_out\."),
    ):
        done = CliRunner().invoke(
            cli, ["export", form, str(of), str(tmp_path / form), "--sae", FIRST]
        )
        assert done.exit_code == 0 and re.search(said, done.output)
