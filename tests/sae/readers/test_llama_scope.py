"""Llama Scope as released, and its library's later layout, against loops over their definition.

The reference scales every token, encodes, and scales the output back: nothing is folded there. A
scalar threshold holds for pre-activations of the unscaled input; one a feature for scaled ones.
"""

import json
import math
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
READ, WRITTEN = "blocks.15.hook_resid_post", "blocks.15.hook_mlp_out"


@pytest.fixture
def make(numbers: Callable[..., Array]) -> Callable[..., Arrays]:
    def arrays(d_in: int = 5, d_sae: int = 9, d_out: int | None = None) -> Arrays:
        d_out = d_in if d_out is None else d_out
        return {
            "encoder.weight": numbers(1, d_sae, d_in),
            "encoder.bias": numbers(2, d_sae, scale=0.4),
            "decoder.weight": numbers(3, d_out, d_sae),
            "decoder.bias": numbers(4, d_out),
        }

    return arrays


def settings(arrays: Arrays, **changed: Any) -> dict[str, Any]:
    d_sae, d_in = arrays["encoder.weight"].shape
    return {
        "hook_point_in": READ,
        "hook_point_out": READ,
        "d_model": d_in,
        "d_sae": d_sae,
        "expansion_factor": 8,
        "use_decoder_bias": True,
        "use_glu_encoder": False,
        "act_fn": "jumprelu",
        "jump_relu_threshold": 0.7,
        "apply_decoder_bias_to_pre_encoder": False,
        "norm_activation": "dataset-wise",
        "sparsity_include_decoder_norm": False,
        "dataset_average_activation_norm": {"in": 3.5, "out": 3.5},
        "top_k": 3,
    } | changed


def write(folder: Path, arrays: Arrays, config: dict[str, Any], later: bool = False) -> Path:
    weights = folder / ("sae_weights" if later else "checkpoints/final")
    weights.parent.mkdir(parents=True, exist_ok=True)
    (folder / ("config.json" if later else "hyperparams.json")).write_text(json.dumps(config))
    stored = {name: torch.from_numpy(np.array(value)).float() for name, value in arrays.items()}
    save_file(stored, weights.with_suffix(".safetensors"))
    return folder


def reference(a: Arrays, config: dict[str, Any], x: Array) -> tuple[Array, Array]:
    """(feature_acts of the scaled input, output in the model's scale), token by token."""
    d_sae, d_in = a["encoder.weight"].shape
    d_out = len(a["decoder.bias"])
    norms = config["dataset_average_activation_norm"]
    read, written = math.sqrt(d_in) / norms["in"], math.sqrt(d_out) / norms["out"]
    lengths = np.ones(d_sae)
    if config["sparsity_include_decoder_norm"]:
        # A scalar threshold was set on weights with both scales in them.
        ratio = 1.0 if "log_jumprelu_threshold" in a else read / written
        lengths = np.linalg.norm(a["decoder.weight"], axis=0) * ratio
    threshold = np.full(d_sae, config["jump_relu_threshold"] * read)
    if "log_jumprelu_threshold" in a:
        threshold = np.exp(a["log_jumprelu_threshold"])
    acts, out = np.zeros((len(x), d_sae)), np.zeros((len(x), d_out))
    for t, raw in enumerate(x):
        token = raw * read
        if config["apply_decoder_bias_to_pre_encoder"]:
            token = token - a["decoder.bias"]
        pre = [
            (sum(a["encoder.weight"][f, i] * token[i] for i in range(d_in)) + bias) * lengths[f]
            for f, bias in enumerate(a["encoder.bias"])
        ]
        fires = [config["act_fn"] == "relu" or pre[f] > threshold[f] for f in range(d_sae)]
        if config["act_fn"] == "topk":
            chosen = sorted(range(d_sae), key=lambda f: (-pre[f], f))[: config["top_k"]]
            fires = [f in chosen for f in range(d_sae)]
        for f in range(d_sae):
            acts[t, f] = max(0.0, pre[f]) * fires[f]
            out[t] += acts[t, f] / lengths[f] * a["decoder.weight"][:, f]
        out[t] = (out[t] + a["decoder.bias"]) / written
    return acts, out


CASES = {
    "jumprelu": {},
    "relu": {"act_fn": "relu", "jump_relu_threshold": 0.0},
    "topk": {"act_fn": "topk", "jump_relu_threshold": 0.0},
    "decoder-norm": {"sparsity_include_decoder_norm": True},
    "topk-decoder-norm": {
        "act_fn": "topk",
        "jump_relu_threshold": 0.0,
        "sparsity_include_decoder_norm": True,
    },
    "pre-bias": {"apply_decoder_bias_to_pre_encoder": True},
}


@pytest.mark.parametrize("changed", CASES.values(), ids=CASES.keys())
def test_equals_the_reference(
    tmp_path: Path,
    make: Callable[..., Arrays],
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
    changed: dict[str, Any],
) -> None:
    arrays = make()
    config = settings(arrays, **changed)
    dictionary = load_dictionary(write(tmp_path, arrays, config))
    x = tokens(5)
    agrees(dictionary, x, *reference(arrays, config, x))
    assert dictionary.config.format == "llama_scope"
    assert dictionary.config.hook_name == READ
    assert dictionary.config.prepend_bos is True
    assert not dictionary.config.is_transcoder


def test_fewer_features_than_dimensions(
    tmp_path: Path,
    make: Callable[..., Arrays],
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
) -> None:
    arrays = make(d_in=8, d_sae=4)
    config = settings(arrays)
    x = tokens(8)
    agrees(load_dictionary(write(tmp_path, arrays, config)), x, *reference(arrays, config, x))


@pytest.mark.parametrize("norm", [False, True])
def test_transcoders_have_a_scale_for_each_side(
    tmp_path: Path,
    make: Callable[..., Arrays],
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
    norm: bool,
) -> None:
    arrays = make(d_out=7)
    config = settings(
        arrays,
        hook_point_out=WRITTEN,
        sparsity_include_decoder_norm=norm,
        dataset_average_activation_norm={"in": 3.5, "out": 0.9},
    )
    dictionary = load_dictionary(write(tmp_path, arrays, config))
    x = tokens(5)
    agrees(dictionary, x, *reference(arrays, config, x))
    assert dictionary.config.is_transcoder
    assert dictionary.config.hook_name_out == WRITTEN


@pytest.mark.parametrize("norm", [False, True])
def test_the_later_layout_has_a_threshold_for_every_feature(
    tmp_path: Path,
    make: Callable[..., Arrays],
    numbers: Callable[..., Array],
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
    norm: bool,
) -> None:
    arrays = make() | {"log_jumprelu_threshold": numbers(5, 9, scale=0.5)}
    config = settings(arrays, sparsity_include_decoder_norm=norm)
    stored = arrays | {f"dataset_average_activation_norm.{READ}": np.array(3.5)}
    said = {name: value for name, value in config.items() if "average" not in name}
    dictionary = load_dictionary(write(tmp_path, stored, said, later=True))
    x = tokens(5)
    agrees(dictionary, x, *reference(arrays, config, x))
    assert not dictionary.config.input_scale_unsettled


def test_a_scale_that_no_file_holds_is_left_to_the_activations(
    tmp_path: Path, make: Callable[..., Arrays], numbers: Callable[..., Array]
) -> None:
    arrays = make() | {"log_jumprelu_threshold": numbers(5, 9, scale=0.5)}
    config = settings(arrays)
    del config["dataset_average_activation_norm"]
    assert load_dictionary(
        write(tmp_path / "a", arrays, config, later=True)
    ).config.input_scale_unsettled
    with pytest.raises(AtlasError, match="no average norm to scale by"):
        load_dictionary(write(tmp_path / "b", make(), config))


def test_the_folder_names_the_model(tmp_path: Path, make: Callable[..., Arrays]) -> None:
    folder = write(tmp_path / "Llama3_1-8B-Base-L15R-8x", make(), settings(make()))
    config = load_dictionary(folder).config
    assert (config.model_name, config.context_size) == ("meta-llama/Llama-3.1-8B", 1024)


def test_ties_go_to_the_lower_feature(tmp_path: Path, make: Callable[..., Arrays]) -> None:
    arrays = make() | {"encoder.weight": np.ones((9, 5)), "encoder.bias": np.ones(9)}
    config = settings(arrays, act_fn="topk", jump_relu_threshold=0.0)
    dictionary = load_dictionary(write(tmp_path, arrays, config))
    assert dictionary.encode(torch.ones(1, 5)).nonzero()[:, 1].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"use_glu_encoder": True}, "an encoder of two factors"),
        ({"sae_type": "crosscoder"}, "sae_type 'crosscoder', which can't be read"),
        ({"norm_activation": "batch-wise"}, "norm_activation 'batch-wise', which can't be read"),
        ({"act_fn": "gelu"}, "act_fn 'gelu', which can't be read"),
        ({"d_sae": 8}, r"encoder.weight .* has shape \[9, 5\], expected \[8, 5\]"),
        ({"dataset_average_activation_norm": {"in": -1}}, "no average norm to scale by"),
    ],
)
def test_a_config_that_cannot_be_honoured(
    tmp_path: Path, make: Callable[..., Arrays], changed: dict[str, Any], sentence: str
) -> None:
    arrays = make()
    with pytest.raises(AtlasError, match=sentence):
        load_dictionary(write(tmp_path, arrays, settings(arrays, **changed)))


def test_a_second_encoder_is_not_overlooked(
    tmp_path: Path, make: Callable[..., Arrays], numbers: Callable[..., Array]
) -> None:
    arrays = make() | {"encoder_glu.weight": numbers(6, 9, 5)}
    with pytest.raises(AtlasError, match=r"also holds encoder_glu\.weight"):
        load_dictionary(write(tmp_path, arrays, settings(arrays)))
