"""Sparse coders of sparsify, written here as the library stores them, against loops over its code.

W_dec lies as the encoder does; an autoencoder's b_dec is subtracted first, a transcoder's is not.
"""

import json
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


@pytest.fixture
def make(numbers: Draw) -> Callable[..., Arrays]:
    def arrays(d_in: int = 5, d_sae: int = 12, skip: bool = False) -> Arrays:
        made = {
            "encoder.weight": numbers(1, d_sae, d_in),
            "encoder.bias": numbers(2, d_sae, scale=0.4),
            "W_dec": numbers(3, d_sae, d_in),
            "b_dec": numbers(4, d_in),
        }
        return made | ({"W_skip": numbers(5, d_in, d_in)} if skip else {})

    return arrays


def write(folder: Path, tensors: Arrays, **cfg: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    d_sae, d_in = tensors["encoder.weight"].shape
    config = {
        "activation": "topk",
        "expansion_factor": 32,
        "normalize_decoder": True,
        "num_latents": d_sae,
        "k": 3,
        "multi_topk": False,
        "skip_connection": False,
        "transcode": False,
        "d_in": d_in,
    }
    (folder / "cfg.json").write_text(json.dumps(config | cfg))
    stored = {name: torch.from_numpy(value).float() for name, value in tensors.items()}
    save_file(stored, folder / "sae.safetensors")
    return folder


def reference(a: Arrays, x: Array, k: int, kind: str, transcode: bool) -> tuple[Array, Array]:
    """(feature_acts, output) by the library's encode and decode, one token at a time."""
    d_sae, d_in = a["encoder.weight"].shape
    acts, out = np.zeros((len(x), d_sae)), np.zeros((len(x), d_in))
    for t, raw in enumerate(x):
        token = raw if transcode else raw - a["b_dec"]
        pre = [
            max(0.0, sum(a["encoder.weight"][f, i] * token[i] for i in range(d_in)) + bias)
            for f, bias in enumerate(a["encoder.bias"])
        ]
        if kind == "topk":
            chosen = sorted(range(d_sae), key=lambda f: (-pre[f], f))[:k]
        else:
            groups = [range(g * (d_sae // k), (g + 1) * (d_sae // k)) for g in range(k)]
            chosen = [max(group, key=lambda f: (pre[f], -f)) for group in groups]
        for f in chosen:
            acts[t, f] = pre[f]
            out[t] += pre[f] * a["W_dec"][f]
        out[t] += a["b_dec"]
        if "W_skip" in a:
            out[t] += [sum(raw[i] * a["W_skip"][o, i] for i in range(d_in)) for o in range(d_in)]
    return acts, out


@pytest.mark.parametrize("transcode", [False, True])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("kind", ["topk", "groupmax"])
def test_equals_the_reference(
    tmp_path: Path,
    make: Callable[..., Arrays],
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
    kind: str,
    skip: bool,
    transcode: bool,
) -> None:
    arrays = make(skip=skip)
    cfg = {"activation": kind, "skip_connection": skip, "transcode": transcode}
    dictionary = load_dictionary(write(tmp_path / "layers.3.mlp", arrays, **cfg))
    x = tokens(5)
    agrees(dictionary, x, *reference(arrays, x, 3, kind, transcode))
    assert dictionary.config.k == 3
    assert dictionary.config.is_transcoder == transcode


@pytest.mark.parametrize("kind", ["topk", "groupmax"])
def test_fewer_features_than_dimensions(
    tmp_path: Path,
    make: Callable[..., Arrays],
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
    kind: str,
) -> None:
    arrays = make(d_in=9, d_sae=4)
    dictionary = load_dictionary(write(tmp_path, arrays, activation=kind, k=2))
    x = tokens(9)
    agrees(dictionary, x, *reference(arrays, x, 2, kind, False))


@pytest.mark.parametrize(("kind", "first"), [("topk", [0, 1, 2]), ("groupmax", [0, 4, 8])])
def test_ties_go_to_the_lower_feature(
    tmp_path: Path, make: Callable[..., Arrays], kind: str, first: list[int]
) -> None:
    arrays = make() | {"encoder.weight": np.ones((12, 5)), "encoder.bias": np.ones(12)}
    arrays["b_dec"] = np.zeros(5)
    dictionary = load_dictionary(write(tmp_path, arrays, activation=kind))
    assert dictionary.encode(torch.ones(1, 5)).nonzero()[:, 1].tolist() == first


def test_no_number_of_latents_is_a_multiple_of_the_input(
    tmp_path: Path, make: Callable[..., Arrays]
) -> None:
    cfg = {"num_latents": 0, "expansion_factor": 2}
    folder = write(tmp_path / "a", make(d_in=5, d_sae=10), **cfg)
    assert load_dictionary(folder).config.d_sae == 10
    with pytest.raises(
        AtlasError, match=r"encoder.weight in .* has shape \[12, 5\], expected \[10"
    ):
        load_dictionary(write(tmp_path / "b", make(), **cfg))


@pytest.mark.parametrize(
    ("folder", "read", "written"),
    [
        ("layers.5", "blocks.5.hook_resid_pre", "blocks.5.hook_resid_post"),
        ("h.0", "blocks.0.hook_resid_pre", "blocks.0.hook_resid_post"),
        ("layers.5.mlp", "blocks.5.mlp.hook_in", "blocks.5.hook_mlp_out"),
        ("gpt_neox.layers.12.attention", "blocks.12.attn.hook_in", "blocks.12.hook_attn_out"),
        ("model.layers.3.self_attn.o_proj", "blocks.3.attn.hook_z", "blocks.3.hook_attn_out"),
        ("transformer.h.2.mlp.act", "blocks.2.mlp.hook_pre", "blocks.2.mlp.hook_post"),
        ("layers.5/seed1", "blocks.5.hook_resid_pre", "blocks.5.hook_resid_post"),
        ("embed_tokens", None, "hook_embed"),
        ("layers.5.input_layernorm", None, None),
        ("some.where", None, None),
    ],
)
def test_the_folder_is_called_after_a_module(
    tmp_path: Path,
    make: Callable[..., Arrays],
    folder: str,
    read: str | None,
    written: str | None,
) -> None:
    place = load_dictionary(write(tmp_path / "auto" / folder, make())).config
    assert (place.hook_name, place.hook_name_out) == (written, None)
    cfg = {"transcode": True}
    place = load_dictionary(write(tmp_path / "trans" / folder, make(), **cfg)).config
    assert (place.hook_name, place.hook_name_out) == (read, written)


def test_the_run_names_model_and_context(tmp_path: Path, make: Callable[..., Arrays]) -> None:
    folder = write(tmp_path / "run" / "layers.5.mlp", make())
    run = {"sae": {"k": 3}, "model": "google/gemma-2-2b", "ctx_len": 512}
    (tmp_path / "run" / "config.json").write_text(json.dumps(run))
    config = load_dictionary(folder).config
    assert (config.model_name, config.context_size) == ("google/gemma-2-2b", 512)
    assert config.prepend_bos is False
    # Behind Gemma 2's MLP stands a norm, and the module is read before it.
    assert config.hook_name == "blocks.5.mlp.hook_out"


def test_a_config_of_something_else_above_is_left_alone(
    tmp_path: Path, make: Callable[..., Arrays]
) -> None:
    folder = write(tmp_path / "layers.5", make())
    (tmp_path / "config.json").write_text(json.dumps({"model": "not this"}))
    assert load_dictionary(folder).config.model_name is None


def test_weights_in_shards(tmp_path: Path, make: Callable[..., Arrays]) -> None:
    arrays = make()
    write(tmp_path, arrays)
    whole = load_dictionary(tmp_path)
    (tmp_path / "sae.safetensors").unlink()
    stored = {name: torch.from_numpy(value).float() for name, value in arrays.items()}
    placed = {}
    for part, names in enumerate((("W_dec", "b_dec"), ("encoder.weight", "encoder.bias"))):
        file = f"sae-{part}.safetensors"
        save_file({name: stored[name] for name in names}, tmp_path / file)
        placed |= dict.fromkeys(names, file)
    index = tmp_path / "sae.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    assert load_dictionary(tmp_path).weights_hash() == whole.weights_hash()


@pytest.mark.parametrize(
    ("cfg", "sentence"),
    [
        ({"activation": "relu"}, "activation 'relu', which can't be read; known are topk, groupm"),
        ({"signed": True}, "its features fire in both directions"),
        ({"activation": "groupmax", "k": 5}, "expected a divisor of its 12 features"),
        ({"k": 0}, "k = 0, expected a whole number from 1 to d_sae = 12"),
        ({"k": 13}, "k = 13, expected a whole number from 1 to d_sae = 12"),
        ({"d_in": 6}, r"has shape \[12, 5\], expected \[12, 6\]"),
        ({"skip_connection": True}, "lacks W_skip, expected for skip_connection = true"),
    ],
)
def test_a_config_that_cannot_be_honoured(
    tmp_path: Path, make: Callable[..., Arrays], cfg: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(AtlasError, match=sentence):
        load_dictionary(write(tmp_path, make(), **cfg))


def test_a_skip_that_the_config_does_not_announce_is_refused(
    tmp_path: Path, make: Callable[..., Arrays]
) -> None:
    with pytest.raises(AtlasError, match="also holds W_skip, which sparsify as topk doesn't have"):
        load_dictionary(write(tmp_path, make(skip=True)))


def test_a_decoder_that_was_left_out_is_missed(tmp_path: Path, make: Callable[..., Arrays]) -> None:
    arrays = {name: value for name, value in make().items() if name != "W_dec"}
    with pytest.raises(AtlasError, match="lacks W_dec, expected for a sparse coder"):
        load_dictionary(write(tmp_path, arrays))


def test_a_run_of_many_lists_its_hookpoints(tmp_path: Path, make: Callable[..., Arrays]) -> None:
    for name in ("layers.10", "layers.2", "layers.2.mlp"):
        write(tmp_path / name, make())
    with pytest.raises(AtlasError) as caught:
        load_dictionary(tmp_path)
    assert "holds 3 dictionaries: layers.2 (sparsify), layers.2.mlp (sparsify), layers.10" in str(
        caught.value
    )
