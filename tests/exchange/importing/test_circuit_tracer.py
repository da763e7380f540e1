"""circuit-tracer's features, packed and one file each, written here from their definition."""

import gzip
import json
import random
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import AtlasError
from app.exchange.foreign import ForeignBand, ForeignFeature, ForeignSource
from app.exchange.importing.circuit_tracer import open_circuit_tracer


def pair(layer: int, feature: int) -> int:
    return (layer + feature) * (layer + feature + 1) // 2 + feature


def example(tokens: list[str], acts: list[float], **more: Any) -> dict[str, Any]:
    return {
        "tokens_acts_list": acts,
        "train_token_ind": acts.index(max(acts)),
        "is_repeated_datapoint": False,
        "tokens": tokens,
        **more,
    }


def feature(index: int, **more: Any) -> dict[str, Any]:
    return {
        "transcoder_id": "5",
        "index": index,
        "examples_quantiles": [
            {"quantile_name": "Top activations", "examples": [example(["a", " b"], [0.0, 4.0])]},
        ],
        "top_logits": [" yes", "é"],
        "bottom_logits": [" no"],
        "act_min": 0.0,
        "act_max": 4.0,
        "quantile_values": [0.0, 1.0, 4.0],
        "histogram": [3.0, 1.0],
        "activation_frequency": 0.002,
        **more,
    }


def packed(folder: Path, layers: Mapping[int, list[Any]], version: bool = True) -> Path:
    """features/index.json.gz with one file a layer; None is a feature without an object."""
    folder.mkdir(parents=True)
    index: dict[str, Any] = {"version": 1} if version else {}
    for layer, features in layers.items():
        content, offsets = b"", [0]
        for one in features:
            if one is not None:
                object_ = gzip.compress(json.dumps(one).encode())
                content += struct.pack("<I", len(object_)) + object_
            offsets.append(len(content))
        (folder / f"layer_{layer}.bin").write_bytes(content)
        index[str(layer)] = {"filename": f"layer_{layer}.bin", "offsets": offsets}
    (folder / "index.json.gz").write_bytes(gzip.compress(json.dumps(index).encode()))
    return folder


def single(folder: Path, features: Mapping[int, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in features.items():
        (folder / f"{number}.json").write_text(json.dumps(one))
    return folder


def read(path: Path) -> list[tuple[ForeignSource, dict[int, ForeignFeature]]]:
    return [
        (source, {one.feature_index: one for one in source.features()})
        for source in open_circuit_tracer(path)
    ]


def test_a_feature_is_what_its_object_says(tmp_path: Path) -> None:
    groups = [
        {
            "quantile_name": "Top activations",
            "examples": [
                example(["a", " b", "c"], [0.0, 4.0, 1.0]),
                example(["a", " b", "c"], [0.0, 4.0, 1.0], is_repeated_datapoint=True),
            ],
        },
        {"quantile_name": "Subsample Interval 0", "examples": [
            example(["d", "e"], [3.0, 0.5]), example(["f", "e"], [3.5, 0.5])]},
        {"quantile_name": "1.00-2.00", "examples": [example(["g"], [1.25], train_token_ind=-1)]},
        {"quantile_name": "0.5 to 0.9", "examples": [example(["h"], [1.25])]},
        {"quantile_name": "Random samples", "examples": [
            example(["i"], [0.5]), example(["j", "k"], [0.0, 0.25], train_token_ind=0)]},
        {"quantile_name": "Bottom activations", "examples": []},
    ]  # fmt: skip
    packed(tmp_path / "features", {5: [feature(0, examples_quantiles=groups)]})
    ((source, features),) = read(tmp_path)
    found = features[0]
    assert (found.density, found.max_activation) == (0.002, 4.0)
    assert (found.n_active, found.neighbors) == (None, None)
    assert found.histogram is not None
    assert found.histogram.edges.tolist() == [0, 2, 4]
    assert found.histogram.counts.tolist() == [3, 1]
    assert found.logits is not None
    assert list(found.logits.promoted) == [" yes", "é"]
    assert list(found.logits.suppressed) == [" no"]
    assert np.isnan(found.logits.promoted_logits).all() and found.logits.histogram is None

    top, again, *rest = found.examples
    assert (top.group, top.position, top.band) == ("top", 1, None)
    assert again.tokens == top.tokens
    assert top.activations.tolist() == [0.0, 4.0, 1.0]
    of_own = rest[0].band
    assert of_own is not None and rest[1].band == of_own
    assert of_own.low < 3.0 < of_own.high == 3.5
    assert of_own.low == pytest.approx(3.0)
    assert rest[2].band == ForeignBand(1, 2), "its name says it"
    assert rest[3].band != ForeignBand(0.5, 0.9), "a name whose numbers the text is outside of"
    assert [one.group for one in rest] == ["interval"] * 4 + ["quantile"] * 2
    assert rest[4].band == ForeignBand(0, 4, 1)
    assert rest[5].position == 0, "as its file says, though the feature is silent there"
    assert "token ids" in source.dictionary.absent


def test_packed_layers_are_dictionaries(tmp_path: Path) -> None:
    layers = {10: [feature(n) for n in range(3)], 2: [feature(0), None, feature(2), None]}
    folder = packed(tmp_path / "set" / "features", layers)
    (tmp_path / "set" / "config.yaml").write_text(
        'model_name: "google/gemma-2-2b"\nmodel_kind: transcoder_set\n'
        "feature_input_hook: ln2.hook_normalized  # relative\n"
        "feature_output_hook: hook_mlp_out\nscan: org/some-set@main\n"
        'transcoders:\n  - "hf://x/y"\n'
    )
    for path in (tmp_path, tmp_path / "set", folder, folder / "index.json.gz"):
        (two, features), (ten, others) = read(path)
        assert (two.dictionary.model, two.dictionary.sae) == (
            "google/gemma-2-2b",
            "some-set-layer-2",
        )
        assert two.dictionary.hook_name == "blocks.2.ln2.hook_normalized"
        assert two.dictionary.hook_name_out == "blocks.2.hook_mlp_out"
        assert ten.dictionary.sae == "some-set-layer-10"
        assert (two.dictionary.d_sae, ten.dictionary.d_sae) == (4, 3)
        assert (list(features), list(others)) == ([0, 2], [0, 1, 2])
    assert two.dictionary.source["scan"] == "org/some-set@main"
    assert [f.feature_index for f in two.features()] == [0, 2], "again"


def test_a_packed_object_may_lack_its_length_or_be_plain(tmp_path: Path) -> None:
    objects = [gzip.compress(json.dumps(feature(0)).encode()) + b"\x00" * 9]
    objects.append(json.dumps(feature(1)).encode() + b"\x00\x00")
    with_length = gzip.compress(b"{}")
    objects.append(struct.pack("<I", len(with_length)) + with_length + b"\x00" * 5)
    tmp_path.joinpath("l.bin").write_bytes(b"".join(objects))
    offsets = np.cumsum([0, *map(len, objects)]).tolist()
    index = {"0": {"filename": "../l.bin", "offsets": offsets}}
    tmp_path.joinpath("index.json").write_text(json.dumps(index))
    ((_, features),) = read(tmp_path)
    assert list(features) == [0, 1, 2]
    assert features[2] == ForeignFeature(2)


def test_names_of_files_hold_layer_and_feature(tmp_path: Path) -> None:
    numbers = {pair(layer, n): feature(n) for layer in (3, 17) for n in (0, 5, 7000)}
    single(tmp_path / "features" / "gemma-2-2b", numbers)
    (three, features), (other, others) = read(tmp_path)
    assert (three.dictionary.model, three.dictionary.sae) == ("gemma-2-2b", "layer-3")
    assert other.dictionary.sae == "layer-17"
    assert list(features) == list(others) == [0, 5, 7000]
    assert three.dictionary.d_sae is None


def test_older_names_of_files(tmp_path: Path) -> None:
    """layer × 100,000 + feature, as in the first public set: 2305458 is 23 and 5458."""
    single(tmp_path, {2_305_458: feature(5458), 99_999: feature(99_999), 2_516_000: feature(1)})
    assert [(s.dictionary.sae, list(f)) for s, f in read(tmp_path)] == [
        ("layer-0", [99_999]), ("layer-23", [5458]), ("layer-25", [16_000]),
    ]  # fmt: skip


def test_files_numbered_without_a_gap_are_one_dictionary(tmp_path: Path) -> None:
    single(tmp_path / "mine", {n: feature(n) for n in range(12)})
    ((source, features),) = read(tmp_path / "mine")
    assert list(features) == list(range(12))
    assert source.dictionary.sae == "mine"


def test_what_a_file_says_of_its_place_decides(tmp_path: Path) -> None:
    files = {n: feature(n, layer=0, feature=n) for n in (300_007, 300_011)}
    files = {n: {**one, "layer": 3, "feature": n % 100_000} for n, one in files.items()}
    ((source, features),) = read(single(tmp_path, files))
    assert (source.dictionary.sae, list(features)) == ("layer-3", [7, 11])


def test_names_in_the_object(tmp_path: Path) -> None:
    one = feature(4, transcoder_id="pythia-70m/3-resid-3")
    ((source, _),) = read(single(tmp_path, {pair(3, 4): one}))
    assert (source.dictionary.model, source.dictionary.sae) == ("pythia-70m", "3-resid-3")


def test_dictionaries_of_one_name_are_told_apart(tmp_path: Path) -> None:
    files = {pair(layer, 4): feature(4, transcoder_id="mine") for layer in (3, 8)}
    sources = [one.dictionary.sae for one, _ in read(single(tmp_path, files))]
    assert sources == ["mine-layer-3", "mine-layer-8"]


def test_logits_with_numbers_and_missing_keys(tmp_path: Path) -> None:
    files = {
        pair(1, 0): feature(0, top_logits=[[" a", 0.5], ["b\x00", 0.25]], bottom_logits=None),
        pair(1, 1): {"examples_quantiles": None},
        pair(1, 2): feature(2, activation_frequency=0.0, act_max=0, examples_quantiles=[]),
        pair(1, 3): feature(3, act_max=0, examples_quantiles=[]),
        pair(1, 4): feature(4, histogram=[-0.5, 1.5]),
    }
    ((_, features),) = read(single(tmp_path, files))
    logits = features[0].logits
    assert logits is not None and list(logits.promoted) == [" a", "b"]
    assert logits.promoted_logits.tolist() == [0.5, 0.25]
    assert features[1] == ForeignFeature(1)
    assert (features[2].density, features[2].max_activation) == (0, 0)
    assert features[4].histogram is None, "logarithms, which are no counts"
    assert features[3].max_activation is None, "0 is no largest activation of one that fires"


Change = Callable[[dict[str, Any]], None]


def sets(**columns: Any) -> Change:
    return lambda one: one.update(columns)


def of_example(**columns: Any) -> Change:
    return lambda one: one["examples_quantiles"][0]["examples"][0].update(columns)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (sets(activation_frequency=2), ", has activation_frequency = 2, expected 0 to 1"),
        (sets(act_max=float("nan")), ", has act_max = NaN"),
        (sets(act_min=5), ", has act_min = 5.0, expected no more than act_max = 4"),
        (sets(histogram=[3, -1]), ", has histogram[1] = -1.0, expected no negative count"),
        (sets(act_max="4"), ', has act_max = "4", expected a number'),
        (sets(top_logits=" a"), ', has top_logits = " a", expected a list of texts'),
        (sets(top_logits=[["a"]]), ', has top_logits[0] = ["a"], expected a token and its number'),
        (sets(top_logits=[["a", None]]), "expected a number"),
        (sets(examples_quantiles={}), ", has examples_quantiles = {}, expected a list of objects"),
        (
            of_example(tokens=["a"]),
            "examples_quantiles[0], examples[0], has 1 tokens and 2 tokens_",
        ),
        (of_example(tokens_acts_list=[1e39, 0]), "has tokens_acts_list[0] = 1e+39, expected a fin"),
        (
            of_example(train_token_ind=2),
            "has train_token_ind = 2, expected one of the text's 2 tok",
        ),
        (of_example(tokens=None), "examples[0], has no tokens"),
    ],
)
@pytest.mark.parametrize("layout", ["packed", "single"])
def test_a_feature_that_is_refused_is_named(
    tmp_path: Path, change: Change, says: str, layout: str
) -> None:
    one = feature(1)
    change(one)
    if layout == "packed":
        packed(tmp_path / "f", {3: [feature(0), one]})
        place = f"{tmp_path / 'f' / 'layer_3.bin'}, feature 1,"
    else:
        single(tmp_path / "f", {pair(3, 0): feature(0), pair(3, 1): one})
        place = str(tmp_path / "f" / f"{pair(3, 1)}.json")
        says = says.removeprefix(",").lstrip()
    with pytest.raises(AtlasError) as raised:
        read(tmp_path)
    assert place in str(raised.value)
    assert says in str(raised.value)


def test_damaged_packs(tmp_path: Path) -> None:
    folder = packed(tmp_path / "f", {3: [feature(n) for n in range(3)]})
    file = folder / "layer_3.bin"
    whole = file.read_bytes()
    for content, says in (
        (whole[:-10], "feature 2, lies behind the file's end"),
        (b"\xff\xff\xff\x7f" + whole[4:], "feature 0, is said to have 2,147,483,647 bytes"),
        (whole[:30] + b"\xff" * 20 + whole[50:], r"feature 0, is no gzip file|feature 0, ends too"),
        (b"\x00" * len(whole), "feature 0, is no JSON"),
    ):
        file.write_bytes(content)
        with pytest.raises(AtlasError, match=says):
            read(tmp_path)
    file.unlink()
    with pytest.raises(AtlasError, match=r"layer_3.bin is missing"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ({"3": {"offsets": [0, 1]}}, "3, has no filename"),
        ({"3": {"filename": "a.bin"}}, "3, has no offsets"),
        ({"3": {"filename": "a.bin", "offsets": [5, 1]}}, "expected the features' places"),
        ({"3": [1]}, "has 3 = [1], expected an object"),
        ({"version": 1}, "names no layer"),
        ({"1" * 5000: {"filename": "a.bin", "offsets": [0, 1]}}, "names no layer"),
        ({"007": {"filename": "a.bin", "offsets": [0, 1]}}, "names no layer"),
        ({"3": {"filename": "a.bin", "offsets": [0, 0.5]}}, "expected the features' places"),
        ({"3": {"filename": "a.bin", "offsets": [0, 3e38]}}, "expected the features' places"),
        ({"3": {"filename": "a" * 999, "offsets": [0, 1]}}, "aaa… is missing: index.json says"),
    ],
)
def test_an_index_that_is_refused(tmp_path: Path, index: Any, says: str) -> None:
    (tmp_path / "a.bin").write_bytes(b"")
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(AtlasError) as raised:
        read(tmp_path)
    assert says in str(raised.value) and "index.json" in str(raised.value)


@pytest.mark.parametrize("name", ["0e999 to 5", "1e999 to 2", "1e-999 to 1e30"])
def test_a_groups_name_with_numbers_out_of_range(tmp_path: Path, name: str) -> None:
    one = feature(0)
    for group in one["examples_quantiles"]:
        group["quantile_name"] = name
    folder = packed(tmp_path / "f", {3: [one]})
    ((_, features),) = read(folder)
    assert all(np.isfinite([e.band.low, e.band.high]).all() for e in features[0].examples if e.band)


def test_an_object_that_unpacks_to_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.exchange.importing.text_files.MOST_AT_ONCE", 1 << 20)
    folder = packed(tmp_path / "f", {3: [feature(0)]})
    bomb = gzip.compress(b'{"a": "' + b"a" * (1 << 22) + b'"}')
    (folder / "layer_3.bin").write_bytes(bomb)
    index = {"3": {"filename": "layer_3.bin", "offsets": [0, len(bomb)]}}
    (folder / "index.json.gz").write_bytes(gzip.compress(json.dumps(index).encode()))
    with pytest.raises(AtlasError, match="feature 0, unpacks to more than 1 MiB"):
        read(tmp_path)


def test_a_folder_without_features_says_what_was_expected(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(AtlasError, match=r"no circuit-tracer features, expected features/"):
            open_circuit_tracer(path)


def test_any_damage_is_one_sentence(tmp_path: Path) -> None:
    draw = random.Random(2)
    whole = json.dumps(feature(1)).encode()
    n_refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(draw.choice([1, 2, 20])):
            content[draw.randrange(len(content))] = draw.choice(b'0"[]{},:-e9n\xff\x00 .')
        (tmp_path / "7.json").write_bytes(content)
        try:
            read(tmp_path)
        except AtlasError as error:
            n_refused += 1
            assert "7.json" in str(error)
    assert n_refused > 50
