"""Gemma Scope 1 and 2, written here as they are released, against loops over their definition.

JumpReLU without a pre-bias; capitals and `.npz` in the first, small letters and safetensors in the
second, whose skip connection [d_in, d_out] is applied to the input as it is.
"""

import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from app.errors import AtlasError
from app.sae.readers import load_dictionary

Array = NDArray[np.float64]
Arrays = dict[str, Array]
Draw = Callable[..., Array]
FIRST = "gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71"


@pytest.fixture
def make(numbers: Draw) -> Callable[..., Arrays]:
    def arrays(d_in: int = 5, d_sae: int = 9, d_out: int | None = None) -> Arrays:
        d_out = d_in if d_out is None else d_out
        return {
            "W_enc": numbers(1, d_in, d_sae),
            "b_enc": numbers(2, d_sae, scale=0.4),
            "W_dec": numbers(3, d_sae, d_out),
            "b_dec": numbers(4, d_out),
            "threshold": np.abs(numbers(5, d_sae)),
        }

    return arrays


def write_first(folder: Path, arrays: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    kept = {
        name: value.astype(np.float32) if value.dtype == np.float64 else value
        for name, value in arrays.items()
    }
    np.savez(folder / "params.npz", **kept)
    return folder


def write_second(folder: Path, arrays: Arrays, config: dict[str, Any] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    stored = {name.lower(): torch.from_numpy(value).float() for name, value in arrays.items()}
    save_file(stored, folder / "params.safetensors")
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def reference(a: Arrays, x: Array) -> tuple[Array, Array]:
    d_in, d_sae = a["W_enc"].shape
    acts = np.zeros((len(x), d_sae))
    out = np.zeros((len(x), len(a["b_dec"])))
    for t, token in enumerate(x):
        for f in range(d_sae):
            pre = sum(token[i] * a["W_enc"][i, f] for i in range(d_in)) + a["b_enc"][f]
            acts[t, f] = max(0.0, pre) if pre > a["threshold"][f] else 0.0
            out[t] += acts[t, f] * a["W_dec"][f]
        out[t] += a["b_dec"]
        if "affine_skip_connection" in a:
            for o in range(len(a["b_dec"])):
                out[t, o] += sum(token[i] * a["affine_skip_connection"][i, o] for i in range(d_in))
    return acts, out


@pytest.mark.parametrize(("d_in", "d_sae"), [(5, 9), (8, 4)])
@pytest.mark.parametrize("write", [write_first, write_second])
def test_equals_the_reference(
    tmp_path: Path,
    make: Callable[..., Arrays],
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
    write: Callable[..., Path],
    d_in: int,
    d_sae: int,
) -> None:
    arrays = make(d_in, d_sae)
    dictionary = load_dictionary(write(tmp_path / "layer_3", arrays))
    x = tokens(d_in)
    agrees(dictionary, x, *reference(arrays, x))
    assert dictionary.config.prepend_bos is True
    assert dictionary.config.context_size == 1024
    assert dictionary.config.format == "gemma_scope"


@pytest.mark.parametrize("skip", [False, True])
def test_transcoders_of_the_second(
    tmp_path: Path,
    make: Callable[..., Arrays],
    numbers: Draw,
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
    skip: bool,
) -> None:
    arrays = make(d_out=7) | ({"affine_skip_connection": numbers(6, 5, 7)} if skip else {})
    place = "gemma-scope-2-1b-pt/transcoder_all/layer_4_width_16k_l0_big"
    dictionary = load_dictionary(write_second(tmp_path / place, arrays))
    x = tokens(5)
    agrees(dictionary, x, *reference(arrays, x))
    config = dictionary.config
    assert config.is_transcoder
    assert (config.hook_name, config.hook_name_out) == (
        "blocks.4.mlp.hook_in",
        "blocks.4.hook_mlp_out",
    )
    assert config.model_name == "google/gemma-3-1b-pt"


def test_embeddings_are_read_behind_gemmas_factor(
    tmp_path: Path,
    make: Callable[..., Arrays],
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
) -> None:
    """They were trained on embeddings before the factor √d_model, which the hook holds after it."""
    arrays = make()
    place = "gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6"
    dictionary = load_dictionary(write_first(tmp_path / place, arrays))
    before = tokens(5)
    acts, out = reference(arrays, before)
    agrees(dictionary, before * math.sqrt(5), acts, out * math.sqrt(5))
    assert dictionary.config.hook_name == "hook_embed"


@pytest.mark.parametrize(
    ("place", "hook_name", "model_name", "target_l0"),
    [
        (FIRST, "blocks.20.hook_resid_post", "google/gemma-2-2b", 71),
        (
            "models--google--gemma-scope-9b-it-res/snapshots/ab12/layer_9/width_16k/average_l0_14",
            "blocks.9.hook_resid_post",
            "google/gemma-2-9b-it",
            14,
        ),
        (
            "gemma-scope-2b-pt-mlp/layer_0/width_16k/canonical",
            "blocks.0.hook_mlp_out",
            "google/gemma-2-2b",
            None,
        ),
        (
            "gemma-scope-2b-pt-att/layer_5/width_16k/average_l0_8",
            "blocks.5.attn.hook_z",
            "google/gemma-2-2b",
            8,
        ),
        ("layer_20/width_16k/average_l0_71", "blocks.20.hook_resid_post", None, 71),
        ("somewhere", None, None, None),
    ],
)
def test_the_folders_of_the_first_name_everything(
    tmp_path: Path,
    make: Callable[..., Arrays],
    place: str,
    hook_name: str | None,
    model_name: str | None,
    target_l0: float | None,
) -> None:
    config = load_dictionary(write_first(tmp_path / place, make())).config
    assert config.hook_name == hook_name
    assert config.model_name == model_name
    assert config.target_l0 == target_l0
    assert config.flatten_heads == (hook_name is not None and "hook_z" in hook_name)


def test_a_site_that_was_assumed_is_said_to_be(tmp_path: Path, make: Callable[..., Arrays]) -> None:
    said = load_dictionary(write_first(tmp_path / "layer_20" / "x", make())).config.convention
    assert "no folder names the site, so the residual stream is assumed" in said
    said = load_dictionary(write_first(tmp_path / FIRST, make())).config.convention
    assert "assumed" not in said


def test_a_width_that_only_attention_has_names_the_site(
    tmp_path: Path, make: Callable[..., Arrays]
) -> None:
    config = load_dictionary(write_first(tmp_path / "layer_2", make(2048, 3))).config
    assert config.hook_name == "blocks.2.attn.hook_z"
    assert config.model_name == "google/gemma-2-2b"


def test_transcoders_of_the_first(tmp_path: Path, make: Callable[..., Arrays]) -> None:
    place = "gemma-scope-2b-pt-transcoders/layer_7/width_16k/average_l0_20"
    config = load_dictionary(write_first(tmp_path / place, make())).config
    assert config.is_transcoder
    assert config.hook_name == "blocks.7.ln2.hook_normalized"
    assert config.hook_name_out == "blocks.7.hook_mlp_out"


@pytest.mark.parametrize(
    ("read", "written", "hook_name", "hook_name_out"),
    [
        ("model.layers.17.output", None, "blocks.17.hook_resid_post", None),
        (
            "model.layers.17.output",
            "model.layers.17.output",
            "blocks.17.hook_resid_post",
            None,
        ),
        ("model.layers.5.self_attn.o_proj.input", None, "blocks.5.attn.hook_z", None),
        (
            "model.layers.5.post_feedforward_layernorm.output",
            None,
            "blocks.5.hook_mlp_out",
            None,
        ),
        (
            "model.layers.5.pre_feedforward_layernorm.output",
            "model.layers.5.post_feedforward_layernorm.output",
            "blocks.5.mlp.hook_in",
            "blocks.5.hook_mlp_out",
        ),
        ("model.language_model.layers.17.output", None, "blocks.17.hook_resid_post", None),
    ],
)
def test_the_config_of_the_second_names_modules(
    tmp_path: Path,
    make: Callable[..., Arrays],
    read: str,
    written: str | None,
    hook_name: str,
    hook_name_out: str | None,
) -> None:
    config = {
        "architecture": "jump_relu",
        "model_name": "gemma-v3-1b-pt",
        "hf_hook_point_in": read,
        "hf_hook_point_out": written,
        "l0": 20,
    }
    found = load_dictionary(write_second(tmp_path, make(), config)).config
    assert (found.hook_name, found.hook_name_out) == (hook_name, hook_name_out)
    assert found.model_name == "google/gemma-3-1b-pt"
    assert found.target_l0 == 20
    assert found.is_transcoder == (hook_name_out is not None)


def test_a_cross_layer_transcoder_is_refused(
    tmp_path: Path, make: Callable[..., Arrays], numbers: Draw
) -> None:
    arrays = make() | {"W_dec": numbers(3, 9, 4, 5)}
    with pytest.raises(AtlasError, match=r"is a cross-layer transcoder \(w_dec \[9, 4, 5\]\)"):
        load_dictionary(write_second(tmp_path, arrays))


def test_another_architecture_is_refused(tmp_path: Path, make: Callable[..., Arrays]) -> None:
    with pytest.raises(AtlasError, match="architecture 'topk', which can't be read"):
        load_dictionary(write_second(tmp_path, make(), {"architecture": "topk"}))


class Bomb:
    """A pickle that creates a file when it is loaded naively."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.target,)


def test_an_array_of_objects_is_refused_and_does_not_run(
    tmp_path: Path, make: Callable[..., Arrays]
) -> None:
    trace = tmp_path / "trace"
    write_first(tmp_path, make() | {"b_enc": np.array([Bomb(trace)], dtype=object)})
    with pytest.raises(AtlasError, match=r"is damaged, holds Python objects"):
        load_dictionary(tmp_path)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["params.npz", "params.safetensors"])
def test_a_pickle_under_another_name_is_refused_and_does_not_run(tmp_path: Path, name: str) -> None:
    trace = tmp_path / "trace"
    (tmp_path / name).write_bytes(pickle.dumps({"W_enc": Bomb(trace)}))
    with pytest.raises(AtlasError, match="is damaged"):
        load_dictionary(tmp_path)
    torch.save({"W_enc": Bomb(trace)}, tmp_path / name)
    with pytest.raises(AtlasError, match=r"is damaged|is no array"):
        load_dictionary(tmp_path)
    assert not trace.exists()


def test_names_that_point_elsewhere_are_only_names(
    tmp_path: Path, make: Callable[..., Arrays]
) -> None:
    """An archive's entries are read and never unpacked."""
    folder = tmp_path / "a" / "b"
    write_first(folder, make() | {"../../escaped": np.zeros(3)})
    load_dictionary(folder)
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["a", "b", "params.npz"]


@pytest.mark.parametrize("length", [0, 10, 300, -40])
def test_a_truncated_archive(tmp_path: Path, make: Callable[..., Arrays], length: int) -> None:
    file = write_first(tmp_path, make()) / "params.npz"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(AtlasError, match="is damaged"):
        load_dictionary(tmp_path)


@pytest.mark.parametrize("dtype", [np.int32, np.complex64, np.bool_])
def test_numbers_that_are_no_floats_are_refused(
    tmp_path: Path, make: Callable[..., Arrays], dtype: type
) -> None:
    with pytest.raises(AtlasError, match=r"w_enc in .* expected a floating-point"):
        load_dictionary(write_first(tmp_path, make() | {"W_enc": np.ones((5, 9), dtype)}))


def test_half_precision_and_the_other_byte_order(
    tmp_path: Path, make: Callable[..., Arrays]
) -> None:
    arrays = make()
    other = arrays | {
        "W_enc": arrays["W_enc"].astype(">f4"),
        "W_dec": arrays["W_dec"].astype(np.float16),
    }
    dictionary = load_dictionary(write_first(tmp_path, other))
    np.testing.assert_array_equal(dictionary.W_enc.numpy(), arrays["W_enc"])
    np.testing.assert_array_equal(dictionary.W_dec.numpy(), arrays["W_dec"].astype(np.float16))
