"""Neuronpedia's exports: what is found in a folder, and what each line becomes."""

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import AtlasError
from app.exchange.foreign import ForeignFeature, ForeignSource
from app.exchange.importing import neuronpedia
from app.exchange.importing.neuronpedia import open_neuronpedia
from tests.exchange.importing.neuronpedia_export import (
    MODEL,
    SOURCE,
    activation,
    explanation,
    feature,
    source_row,
    write_export,
    write_lines,
)


def read(path: Path) -> tuple[ForeignSource, dict[int, ForeignFeature]]:
    (source,) = open_neuronpedia(path)
    features = list(source.features())
    assert [one.feature_index for one in features] == sorted({f.feature_index for f in features})
    return source, {one.feature_index: one for one in features}


def test_a_feature_is_what_its_lines_say(tmp_path: Path) -> None:
    texts = [
        activation(7, ["The", " cat"], [0.0, 8.0]),
        activation(
            7, ["a", "b", "a"], [1.5, 0, 0.5], binMin=0, binMax=2, binContains=0.998,
            qualifyingTokenIndex=2,
        ),
        activation(7, ["a", "b", "a"], [3.0, 0, 0], binMin=2, binMax=4, binContains=0.002),
    ]  # fmt: skip
    write_export(tmp_path, [feature(7)], texts, [explanation(7, " cats ")])
    source, features = read(tmp_path)

    about = source.dictionary
    assert (about.model, about.sae) == (MODEL, SOURCE)
    assert about.hook_name == "blocks.6.hook_resid_post"
    assert (about.d_sae, about.d_in) == (24576, 768)
    assert (about.n_tokens, about.context_size, about.corpus) == (128_000, 128, "monology/pile")
    assert about.source["model"]["displayName"] == "GPT-2 Small"
    assert "token ids" in about.absent and about.approximate

    (found,) = features.values()
    assert (found.density, found.max_activation) == (0.01, 8.0)
    assert found.histogram is not None
    assert found.histogram.edges.tolist() == [0, 2, 4, 6, 8]
    assert found.histogram.counts.tolist() == [5, 3, 0, 1]
    assert (found.n_active, found.mean_activation) == (None, None)

    assert found.logits is not None
    assert list(found.logits.promoted) == [" yes", "é"]
    assert found.logits.promoted_logits.tolist() == [1.5, 0.25]
    assert list(found.logits.suppressed) == [" not", " no"]
    assert found.logits.suppressed_logits.tolist() == [-0.75, -0.5]
    assert found.logits.histogram is not None
    assert found.logits.histogram.edges.tolist() == [-1, 0, 1]

    assert found.neighbors is not None, "without the feature itself"
    assert found.neighbors.feature_index.tolist() == [8, 9]
    assert found.neighbors.cosine_similarity.tolist() == [0.5, -0.25]

    top, low, middle = found.examples
    assert (top.group, list(top.tokens), top.position) == ("top", ["The", " cat"], 1)
    assert (top.band, top.token_ids, top.first_position, top.document) == (None,) * 4
    assert (low.group, low.position) == ("interval", 2)
    # 0.998 of all tokens with the 0.99 where it is silent: 0.8 of those where it is not.
    assert low.band is not None and middle.band is not None
    assert (low.band.low, low.band.high, middle.band.low, middle.band.high) == (0, 2, 2, 4)
    assert low.band.share == pytest.approx(0.8)
    assert middle.band.share == pytest.approx(0.2)
    assert middle.position == 0, "the strongest token, where the file names none"

    (written,) = found.explanations
    assert (written.text, written.author) == ("cats", "gpt-4o-mini, oai_token-act-pair")


def test_batches_of_a_kind_hold_other_features_than_those_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [*range(0, 40, 2), 101, 1000, 99_999]
    texts = [activation(n, [f"t{n}", "x"], [float(n + 1), 0]) for n in numbers for _ in range(2)]
    said = [explanation(n, f"about {n}") for n in reversed(numbers)]
    source = write_export(tmp_path, [feature(n) for n in numbers], texts, said)
    names = sorted(path.name for path in (source / "features").iterdir())
    first = gzip.decompress((source / "features" / names[1]).read_bytes()).decode()
    assert [json.loads(line)["index"] for line in first.splitlines()] != ["6", "8", "10"]

    sorts = neuronpedia.SortedLines
    for buffer in (1, 700, 1 << 25):
        monkeypatch.setattr(
            neuronpedia, "SortedLines", lambda lines, buffer=buffer: sorts(lines, buffer)
        )
        _, features = read(tmp_path)
        assert sorted(features) == numbers
        for number, found in features.items():
            assert [list(one.tokens) for one in found.examples] == [[f"t{number}", "x"]] * 2
            assert [one.text for one in found.explanations] == [f"about {number}"]


def test_features_can_be_read_again(tmp_path: Path) -> None:
    write_export(tmp_path, [feature(1), feature(2)])
    (source,) = open_neuronpedia(tmp_path)
    assert [f.feature_index for f in source.features()] == [1, 2]
    assert next(source.features()).feature_index == 1
    assert [f.feature_index for f in source.features()] == [1, 2]


@pytest.mark.parametrize("below", ["", "v1", f"v1/{MODEL}", f"v1/{MODEL}/{SOURCE}"])
def test_any_folder_of_the_layout_may_be_given(tmp_path: Path, below: str) -> None:
    write_export(tmp_path / "downloads" / "np", [feature(3)])
    for start in (tmp_path, tmp_path / "downloads" / "np" / below):
        assert list(read(start)[1]) == [3]


def test_a_folder_or_file_of_batches_may_be_given(tmp_path: Path) -> None:
    source = write_export(tmp_path, [feature(3)], [activation(3, ["a"], [1.0])])
    for start in (source / "features", source / "activations" / "batch-1.jsonl.gz"):
        _, features = read(start)
        assert len(features[3].examples) == 1


def test_several_sources_are_several_dictionaries(tmp_path: Path) -> None:
    for layer in (10, 2):
        rows = [feature(layer, layer=f"{layer}-res")]
        write_lines(tmp_path / "v1" / MODEL / f"{layer}-res/features/batch-0.jsonl", rows)
    sources = open_neuronpedia(tmp_path)
    assert sorted(one.dictionary.sae for one in sources) == ["10-res", "2-res"]
    assert {next(one.features()).feature_index for one in sources} == {2, 10}


def test_without_source_and_model_the_lines_name_the_dictionary(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "here/features/batch-0.jsonl", [{"index": 5, "modelId": "m", "layer": "l"}]
    )
    source, features = read(tmp_path)
    assert (source.dictionary.model, source.dictionary.sae) == ("m", "l")
    assert (source.dictionary.d_sae, source.dictionary.n_tokens) == (None, None)
    assert any("no activations" in said for said in source.dictionary.absent)
    assert features[5] == ForeignFeature(5)


def test_metadata_may_be_packed(tmp_path: Path) -> None:
    """As SAEDashboard's converter leaves it."""
    source = write_export(tmp_path, [feature(3)])
    (source / "source.jsonl").unlink()
    write_lines(source / "source.jsonl.gz", [source_row(dataset="other/data")])
    assert read(tmp_path)[0].dictionary.corpus == "other/data"


def test_only_explanations_or_only_activations_are_enough(tmp_path: Path) -> None:
    source = write_export(tmp_path, [], [activation(4, ["a"], [1.0])], [explanation(9, "nine")])
    (source / "model.jsonl").unlink()
    found, features = read(tmp_path)
    assert any("no features" in said for said in found.dictionary.absent)
    assert found.dictionary.approximate == ()
    assert [one.group for one in features[4].examples] == ["top"]
    assert features[9].explanations[0].text == "nine"


def test_dead_and_unmeasured_features(tmp_path: Path) -> None:
    """The table's default for a share nobody measured is 0, as for a feature that never fires."""
    empty = {"freq_hist_data_bar_heights": [], "freq_hist_data_bar_values": [], "pos_str": []}
    empty |= {"pos_values": [], "neg_str": [], "neg_values": [], "topkCosSimIndices": []}
    empty |= {"topkCosSimValues": [], "logits_hist_data_bar_heights": [], "frac_nonzero": 0}
    empty |= {"logits_hist_data_bar_values": []}
    write_export(
        tmp_path,
        [feature(0, **empty, maxActApprox=0), feature(1, **empty), feature(2, **empty)],
        [activation(2, ["a"], [1.0])],
    )
    _, features = read(tmp_path)
    assert features[0] == ForeignFeature(0, density=0, max_activation=0)
    assert (features[1].density, features[1].max_activation) == (None, 8)
    assert features[2].density is None


def test_logits_that_are_not_available(tmp_path: Path) -> None:
    row = feature(
        1,
        pos_str=[" a", " b", " c"], pos_values=[-10000, 0.5, 1],
        neg_str=["<|outofrange|>", " d", ""], neg_values=[-10000, -1, -2],
    )  # fmt: skip
    write_export(tmp_path, [row, feature(2, pos_values=None, neg_str=None, neg_values=None)])
    _, features = read(tmp_path)
    logits = features[1].logits
    assert logits is not None
    assert list(logits.promoted) == [" c", " b", " a"]
    np.testing.assert_array_equal(logits.promoted_logits, [1, 0.5, np.nan])
    assert (list(logits.suppressed), logits.suppressed_logits.tolist()) == ([" d"], [-1])
    named_only = features[2].logits
    assert named_only is not None and np.isnan(named_only.promoted_logits).all()


def test_texts_that_no_database_can_hold(tmp_path: Path) -> None:
    texts = [activation(1, ["a\x00b", "\ud83d", "\x00"], [1.0, 2.0, 0])]
    write_export(tmp_path, [feature(1)], texts, [explanation(1, "x\x00y")])
    _, features = read(tmp_path)
    assert list(features[1].examples[0].tokens) == ["ab", "�", ""]
    assert features[1].explanations[0].text == "xy"


def test_who_wrote_an_explanation(tmp_path: Path) -> None:
    blank = {"typeName": None, "explanationModelName": None}
    said = [
        explanation(1, "one", **blank, notes="by Ada"),
        explanation(1, "two", **blank),
        explanation(1, "  "),
        explanation(1, "three", typeName=None),
    ]
    write_export(tmp_path, [feature(1)], (), said)  # type: ignore[arg-type]
    _, features = read(tmp_path)
    found = [(one.text, one.author) for one in features[1].explanations]
    assert found == [("one", "Ada"), ("two", None), ("three", "gpt-4o-mini")]


def test_keys_inside_texts_and_nested_objects_are_no_indices(tmp_path: Path) -> None:
    source = write_export(tmp_path, [feature(1)])
    tokens = ['"index": 9,', "index", '{"index":"9"}', '"vector": [', "]"]
    rows = [
        activation(12, tokens, [1.0] * 5, neuron={"index": 5, "modelId": MODEL}),
        {"neuron": {"x": 1}, **activation(12, tokens, [2.0] * 5)},
    ]
    write_lines(source / "activations/batch-0.jsonl", rows)
    _, features = read(tmp_path)
    assert sorted(features) == [1, 12]
    assert [list(one.tokens) for one in features[12].examples] == [tokens, tokens]


def test_of_a_batch_twice_the_unpacked_one_counts(tmp_path: Path) -> None:
    """An export that was stopped while it packed leaves both, the packed one cut off."""
    source = write_export(tmp_path, [feature(1)])
    packed = source / "features" / "batch-0.jsonl.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.write_bytes(packed.read_bytes()[:50])
    assert list(read(tmp_path)[1]) == [1]


Change = Callable[[dict[str, Any]], None]


def sets(**columns: Any) -> Change:
    return lambda row: row.update(columns)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (sets(frac_nonzero="much"), 'frac_nonzero = "much", expected a number'),
        (sets(frac_nonzero=1.5), "frac_nonzero = 1.5, expected 0 to 1"),
        (sets(frac_nonzero=float("nan")), "frac_nonzero = NaN"),
        (sets(maxActApprox=float("inf")), "maxActApprox = Infinity"),
        (sets(maxActApprox=10**400), "maxActApprox = 1000"),
        (sets(maxActApprox=True), "maxActApprox = true, expected a number"),
        (sets(pos_values=[1.0]), "2 pos_str and 1 pos_values"),
        (sets(pos_values=[1.0, "2"]), 'pos_values[1] = "2", expected a number'),
        (sets(pos_values=[1.0, 10**400]), "pos_values[1] = 1000"),
        (sets(pos_values=[1.0, float("nan")]), "pos_values[1] = NaN, expected a finite number"),
        (sets(pos_str=[" a", 3]), "pos_str[1] = 3, expected a text"),
        (sets(pos_str="abc"), 'pos_str = "abc", expected a list of texts'),
        (sets(index="seven"), 'index = "seven", expected a whole number from 0 on'),
        (sets(index=-1), "index = -1"),
        (sets(index=None), "has no index, which this format needs"),
        (sets(topkCosSimValues=[1, 2, 0]), "expected cosines"),
        (sets(freq_hist_data_bar_values=[1, 1, 2, 3]), "expected bars from left to right"),
        (sets(freq_hist_data_bar_heights=[1, -1, 2, 3]), "no negative height"),
        (sets(layer="7-res"), f"is about gpt2-small/7-res, the folder's other lines about {MODEL}"),
    ],
)  # fmt: skip
def test_a_feature_that_is_refused_is_named(tmp_path: Path, change: Change, says: str) -> None:
    rows = [feature(n) for n in (1, 2, 3)]
    change(rows[1])
    path = tmp_path / "features" / "batch-4.jsonl.gz"
    write_lines(path, rows)
    with pytest.raises(AtlasError) as raised:
        read(tmp_path)
    assert says in str(raised.value)
    assert f"{path}, line 2" in str(raised.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (sets(values=[1.0]), "2 tokens and 1 values"),
        (sets(values=None), "has no values"),
        (sets(tokens=None), "has no tokens"),
        (sets(maxValueTokenIndex=2), "maxValueTokenIndex = 2, expected one of the text's 2 tokens"),
        (sets(maxValueTokenIndex=0.5), "maxValueTokenIndex = 0.5"),
        (sets(binMin=3, binMax=1), "binMax = 1.0, expected no less than binMin = 3"),
        (sets(binMin="low"), 'binMin = "low", expected a number'),
        (sets(description={"a": 1}), ""),
    ],
)
def test_a_text_that_is_refused_is_named(tmp_path: Path, change: Change, says: str) -> None:
    row = activation(1, ["a", "b"], [0.0, 1.0])
    change(row)
    source = write_export(tmp_path, [feature(1)])
    write_lines(source / "activations/batch-0.jsonl", [activation(1, ["a"], [1.0]), row])
    if not says:
        assert len(read(tmp_path)[1][1].examples) == 2, "unknown keys are nobody's business"
        return
    with pytest.raises(AtlasError) as raised:
        read(tmp_path)
    assert says in str(raised.value)
    assert f"{source}/activations/batch-0.jsonl, line 2" in str(raised.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"index": 1}\n{"index": 2', "line 2, is no JSON"),
        (b'{"index": 1}\n\n[1]\n', "line 3, holds a list, expected an object"),
        (b'{"index": 1}\n{"index": "\xff"}\n', "line 2, is no UTF-8 (byte 12)"),
        (b'{"index": 1}\n{"index": 2, "a": ' + b"[" * 100_000 + b"}\n", "line 2, is no JSON"),
        (b'{"index": 1}\n{"index": 2, "a": ' + b"9" * 5000 + b"}\n", "line 2, is no JSON"),
    ],
)
def test_lines_that_are_no_objects(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "features" / "batch-0.jsonl"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(AtlasError) as raised:
        read(tmp_path)
    assert f"{path}, {says}" in str(raised.value)


def test_a_packed_file_that_is_cut_off_or_none(tmp_path: Path) -> None:
    path = tmp_path / "features" / "batch-0.jsonl.gz"
    write_lines(path, [feature(n, vector=np.random.randn(500).tolist()) for n in range(20)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AtlasError, match=r"batch-0.jsonl.gz, line \d+, ends too early"):
        read(tmp_path)
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 0xFF
    path.write_bytes(broken)
    with pytest.raises(AtlasError, match=r"batch-0.jsonl.gz, line \d+, is "):
        read(tmp_path)
    path.write_bytes(b"no gzip")
    with pytest.raises(AtlasError, match=r"line 1, is no gzip file"):
        read(tmp_path)


def test_a_feature_twice_is_refused(tmp_path: Path) -> None:
    write_lines(tmp_path / "features/batch-0.jsonl", [feature(1)])
    write_lines(tmp_path / "features/batch-1.jsonl", [feature(2), feature(1)])
    with pytest.raises(AtlasError, match=r"batch-1.jsonl, line 2, has feature 1, .*batch-0.jsonl"):
        read(tmp_path)


def test_a_folder_without_an_export_says_what_was_expected(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(AtlasError, match=r"no Neuronpedia export, expected v1/"):
            open_neuronpedia(path)


def test_any_damage_is_one_sentence(tmp_path: Path) -> None:
    """Bytes changed at random: records or an AtlasError, never another error."""
    draw = random.Random(1)
    source = write_export(
        tmp_path, [feature(n) for n in range(4)], [activation(2, ["a", "b"], [1.0, 0.5])]
    )
    path = source / "features" / "batch-0.jsonl"
    packed = path.with_name("batch-0.jsonl.gz")
    whole = gzip.decompress(packed.read_bytes())
    packed.unlink()
    n_refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(draw.choice([1, 2, 20])):
            content[draw.randrange(len(content))] = draw.choice(b'0"[]{},:-e9n\xff\x00 .')
        path.write_bytes(content)
        try:
            read(tmp_path)
        except AtlasError as error:
            n_refused += 1
            assert "batch-0.jsonl" in str(error)
    assert n_refused > 50


def test_an_empty_packed_file_ends_too_early(tmp_path: Path) -> None:
    folder = write_export(tmp_path, [feature(7)])
    (folder / "features" / "batch-1.jsonl.gz").write_bytes(b"")
    with pytest.raises(AtlasError, match=r"batch-1.jsonl.gz ends too early"):
        read(tmp_path)
