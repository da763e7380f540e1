"""SAEDashboard's batches are read with their traps; what can't be read is said with its place."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import AtlasError
from app.exchange.foreign import ForeignFeature
from app.exchange.importing import json_items
from app.exchange.importing.saedashboard import open_saedashboard
from tests.exchange.saedashboard_batches import write_batches

HEAD = {"model_id": "gpt2-small", "layer": 8, "sae_set": "res-jb", "sae_id_suffix": None}
TEXT = {"bin_min": -1, "bin_max": 3.0, "bin_contains": -1, "tokens": ["a", " b", "c"],
        "values": [0.0, 3.0, 0.001], "qualifying_token_index": 1}  # fmt: skip
FEATURE = {"feature_index": 3, "n_prompts_total": 100, "n_tokens_in_prompt": 4}


def _write(folder: Path, *features: Any, head: dict[str, Any] = HEAD) -> Path:
    (folder / "batch-0.json").write_text(json.dumps(head | {"features": features}))
    return folder


def _only(folder: Path, **feature: Any) -> ForeignFeature:
    (source,) = open_saedashboard(_write(folder, FEATURE | feature))
    (found,) = source.features()
    return found


def test_a_folder_of_batches_is_one_dictionary(tmp_path: Path) -> None:
    folder = write_batches(tmp_path / "gpt2", [0, 1, 2, 3, 5], dead=(2,))
    (source,) = open_saedashboard(folder)
    found = source.dictionary
    assert (found.model, found.sae, found.corpus) == (
        "gpt2-small", "8-res-jb", "monology/pile-uncopyrighted",
    )  # fmt: skip
    assert (found.n_tokens, found.context_size, found.d_sae) == (40 * 32, 32, None)
    assert "1 feature it skipped, as too rare" in found.absent
    assert found.source["sae_set"] == "res-jb"
    indices = [feature.feature_index for feature in source.features()]
    assert indices == [0, 1, 2, 3, 5] == [f.feature_index for f in source.features()]


def test_names_with_a_suffix_and_a_single_file(tmp_path: Path) -> None:
    folder = _write(tmp_path, FEATURE, head=HEAD | {"sae_id_suffix": "l0-40"})
    (source,) = open_saedashboard(folder / "batch-0.json")
    assert source.dictionary.sae == "8-res-jb__l0-40"


def test_the_strongest_have_no_band_and_their_maximum_is_the_features(tmp_path: Path) -> None:
    found = _only(tmp_path, activations=[TEXT], frac_nonzero=0.25)
    (top,) = found.examples
    assert (top.group, top.band, top.position) == ("top", None, 1)
    assert np.allclose(top.activations, [0, 3, 0.001])
    assert (found.max_activation, found.density) == (3.0, 0.25)


def test_a_text_starts_at_one_only_where_it_is_a_whole_prompt(tmp_path: Path) -> None:
    cut = TEXT | {"tokens": ["a", "b"], "values": [0.0, 1.0]}
    whole, part = _only(tmp_path, activations=[TEXT, cut]).examples
    assert (whole.first_position, part.first_position) == (1, None)


def test_a_text_chosen_for_the_position_that_is_left_out_is_left_out(tmp_path: Path) -> None:
    found = _only(tmp_path, activations=[TEXT | {"qualifying_token_index": -1}])
    assert not found.examples and found.max_activation == 3.0


def test_a_maximum_that_could_not_be_told_is_that_of_the_texts(tmp_path: Path) -> None:
    assert _only(tmp_path, activations=[TEXT | {"bin_max": 99}]).max_activation == 3.0


def test_a_density_of_zero_is_rounded_unless_nothing_fires(tmp_path: Path) -> None:
    assert _only(tmp_path, activations=[TEXT], frac_nonzero=0).density is None
    silent = TEXT | {"values": [0.0, 0.0, 0.0], "bin_max": 0.0}
    dead = _only(tmp_path, activations=[silent], frac_nonzero=0)
    assert dead.density == 0 and not dead.examples
    empty = _only(tmp_path, activations=[], frac_nonzero=0, pos_str=["a"], pos_values=[1.0])
    assert empty.density == 0 and empty.logits is not None


def test_bars_are_centres_and_logits_stand_strongest_first(tmp_path: Path) -> None:
    found = _only(
        tmp_path,
        activations=[TEXT],
        freq_hist_data_bar_values=[0.5, 1.5, 2.5],
        freq_hist_data_bar_heights=[4.0, 0.0, 1.0],
        pos_str=["a", "b", "c"],
        pos_values=[1.0, None, 2.0],
        neg_str=["x", "y"],
        neg_values=[-1.0, -2.0],
    )
    assert found.histogram is not None and found.logits is not None
    assert found.histogram.edges.tolist() == [0, 1, 2, 3]
    assert list(found.logits.promoted) == ["c", "a", "b"]
    assert found.logits.promoted_logits[:2].tolist() == [2, 1]
    assert np.isnan(found.logits.promoted_logits[2])
    assert list(found.logits.suppressed) == ["y", "x"]


def test_a_batch_may_have_its_names_behind_its_features(tmp_path: Path) -> None:
    (tmp_path / "batch-0.json").write_text(json.dumps({"features": [FEATURE]} | HEAD))
    (source,) = open_saedashboard(tmp_path)
    assert source.dictionary.model == "gpt2-small"
    assert len([*source.features()]) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"feature_index": -1}, "feature 2 of the file, has feature_index = -1"),
        ({"feature_index": None}, "has no feature_index"),
        ({"feature_index": 10**30}, "has feature_index = 1000000"),
        ({"frac_nonzero": 1.5}, "line 1, feature 3, has frac_nonzero = 1.5"),
        ({"frac_nonzero": "0.1"}, "has frac_nonzero"),
        ({"activations": {}}, "expected a list of objects"),
        ({"activations": [TEXT | {"tokens": ["a"]}]}, "has 1 tokens and 3 values"),
        ({"activations": [TEXT | {"tokens": ["a", 1, "b"]}]}, r"tokens\[1\] = 1, expected a text"),
        ({"activations": [TEXT | {"values": [0, 1e39, 0]}]}, "expected a finite number"),
        ({"activations": [TEXT | {"qualifying_token_index": 3}]}, "one of the text's 3 tokens"),
        ({"pos_str": ["a"], "pos_values": []}, "1 pos_str and 0 pos_values"),
        ({"freq_hist_data_bar_values": [2, 1], "freq_hist_data_bar_heights": [1, 1]}, "left to"),
    ],
)
def test_what_cannot_be_read_is_said_with_file_and_feature(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    (source,) = open_saedashboard(_write(tmp_path, {"feature_index": 0}, FEATURE | change))
    with pytest.raises(AtlasError, match=said) as caught:
        list(source.features())
    assert "batch-0.json" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text[: len(text) // 2], "it ends too early"),
        (lambda text: text.replace('"layer"', '"layer'), "batch-0.json, line 1"),
        (lambda text: text + "x", "something stands behind the object"),
        (lambda _: "[]", "an object was expected"),
        (lambda _: "", "it ends too early"),
        (lambda text: text.replace("[{", "{{"), "features to be a list was expected"),
        (lambda text: text.replace('"feature_index": 3', '"feature_index": NaNa'), "is no JSON"),
        (lambda text: text.replace("gpt2", "gpt\udcff"), "no UTF-8"),
    ],
)
def test_files_that_are_no_json_are_said_so(
    tmp_path: Path, spoil: Callable[[str], str], said: str
) -> None:
    path = _write(tmp_path, FEATURE) / "batch-0.json"
    path.write_bytes(spoil(path.read_text()).encode("utf-8", "surrogateescape"))
    with pytest.raises(AtlasError, match=said) as caught:
        list(open_saedashboard(tmp_path)[0].features())
    assert "batch-0.json" in str(caught.value)


def test_texts_can_be_stored(tmp_path: Path) -> None:
    text = TEXT | {"tokens": ["a\x00b", "\ud83d", "c"]}
    (found,) = _only(tmp_path, activations=[text]).examples
    assert list(found.tokens) == ["ab", "�", "c"]


def test_batches_of_two_dictionaries_are_refused(tmp_path: Path) -> None:
    _write(tmp_path, FEATURE)
    other = HEAD | {"layer": 9, "features": []}
    (tmp_path / "batch-1.json").write_text(json.dumps(other))
    with pytest.raises(AtlasError, match=r"batch-1\.json is of gpt2-small/9-res-jb"):
        list(open_saedashboard(tmp_path)[0].features())


def test_a_folder_without_batches_is_none(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="holds no SAEDashboard batch, expected a folder with"):
        open_saedashboard(tmp_path)


def test_a_batch_is_read_feature_by_feature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the chunks cut through: numbers, escapes, characters of several bytes."""
    monkeypatch.setattr(json_items, "_CHUNK", 7)
    texts = [TEXT | {"tokens": ["é—🙂", '\\"', str(i)]} for i in range(3)]
    features = [FEATURE | {"feature_index": 10 * i, "activations": texts} for i in range(12)]
    content = json.dumps(HEAD | {"features": features}, ensure_ascii=False, indent=1)
    (tmp_path / "batch-0.json").write_text(content)
    found = [*open_saedashboard(tmp_path)[0].features()]
    assert [f.feature_index for f in found] == [10 * i for i in range(12)]
    assert [list(e.tokens) for e in found[-1].examples] == [t["tokens"] for t in texts]


def test_a_value_without_end_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_items, "MOST_AT_ONCE", 1 << 16)
    monkeypatch.setattr(json_items, "_CHUNK", 1 << 12)
    (tmp_path / "batch-0.json").write_text('{"features": [{"vector": "' + "a" * (1 << 20))
    with pytest.raises(AtlasError, match="a value of more than"):
        open_saedashboard(tmp_path)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    batch = _write(tmp_path, FEATURE) / "batch-0.json"
    batch.write_bytes(b"\xef\xbb\xbf" + batch.read_bytes())
    (source,) = open_saedashboard(tmp_path)
    assert [one.feature_index for one in source.features()] == [3]


@pytest.mark.parametrize("name", ["batch-0.json", "run_settings.json"])
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path, name: str) -> None:
    _write(tmp_path, FEATURE)
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(AtlasError, match=f"{name} is a pipe, a socket or a device, expected"):
        open_saedashboard(tmp_path)


def test_bars_whose_ends_overflow_are_refused(tmp_path: Path) -> None:
    bars = {"freq_hist_data_bar_values": [-3e38, 3e38], "freq_hist_data_bar_heights": [1, 2]}
    with pytest.raises(AtlasError, match=r"feature 3, has freq_hist_data_bar_values = .*finite"):
        _only(tmp_path, **bars)


@pytest.mark.parametrize(
    ("beside", "content", "says"),
    [
        ("skipped_indexes.json", {"skipped_indexes": [3]}, "feature 3, is there, but skipped_ind"),
        ("run_settings.json", {"d_sae": 3}, "has feature_index = 3, but run_settings.json says d_"),
        ("run_settings.json", {"n_tokens": 1}, "n_tokens = 1, expected 100 to 400"),
    ],
)
def test_files_beside_that_contradict_a_batch(
    tmp_path: Path, beside: str, content: dict[str, Any], says: str
) -> None:
    _write(tmp_path, FEATURE)
    own = {"feature_atlas": {"version": "0", **content}}
    written = own if beside == "run_settings.json" else content
    (tmp_path / beside).write_text(json.dumps(written))
    with pytest.raises(AtlasError, match=says) as raised:
        (source,) = open_saedashboard(tmp_path)
        list(source.features())
    assert beside in str(raised.value)
