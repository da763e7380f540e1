"""OpenAI's autoencoders of GPT-2 small, written here as released, against loops over their code."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from app.errors import AtlasError
from app.sae.readers import load_dictionary

Array = NDArray[np.float64]
Arrays = dict[str, Array]
PLACE = "gpt2-small/resid_post_mlp_v5_32k/autoencoders"


@pytest.fixture
def make(numbers: Callable[..., Array]) -> Callable[..., Arrays]:
    def arrays(d_in: int = 5, d_sae: int = 9) -> Arrays:
        return {
            "pre_bias": numbers(1, d_in),
            "encoder.weight": numbers(2, d_sae, d_in),
            "latent_bias": numbers(3, d_sae, scale=0.4),
            "decoder.weight": numbers(4, d_in, d_sae),
        }

    return arrays


def write(file: Path, arrays: Arrays, kind: str | None = "TopK", **settings: Any) -> Path:
    """With the statistics of training that the library keeps beside the parameters."""
    file.parent.mkdir(parents=True, exist_ok=True)
    state: dict[str, Any] = {
        name: torch.from_numpy(value).float() for name, value in arrays.items()
    }
    d_sae = len(arrays["latent_bias"])
    state |= {
        "stats_last_nonzero": torch.zeros(d_sae, dtype=torch.long),
        "latents_activation_frequency": torch.ones(d_sae),
        "latents_mean_square": torch.zeros(d_sae),
    }
    if kind is not None:
        state["activation"] = kind
        state["activation_state_dict"] = {"k": 3, "postact_fn": "ReLU"} if kind == "TopK" else {}
    torch.save(state | settings, file)
    return file


def reference(a: Arrays, x: Array, kind: str) -> tuple[Array, Array]:
    d_sae, d_in = a["encoder.weight"].shape
    acts, out = np.zeros((len(x), d_sae)), np.zeros((len(x), d_in))
    for t, raw in enumerate(x):
        mean, deviation, token = 0.0, 1.0, raw
        if kind == "TopK":
            mean = sum(raw) / d_in
            deviation = math.sqrt(sum((value - mean) ** 2 for value in raw) / (d_in - 1))
            token = (raw - mean) / (deviation + 1e-5)
        centred = token - a["pre_bias"]
        pre = a["encoder.weight"] @ centred + a["latent_bias"]
        kept = range(d_sae)
        if kind == "TopK":
            kept = sorted(range(d_sae), key=lambda f: (-pre[f], f))[:3]
        for f in kept:
            acts[t, f] = max(0.0, pre[f])
            out[t] += acts[t, f] * a["decoder.weight"][:, f]
        out[t] = (out[t] + a["pre_bias"]) * deviation + mean
    return acts, out


@pytest.mark.parametrize(("d_in", "d_sae"), [(5, 9), (8, 4)])
@pytest.mark.parametrize("kind", ["TopK", "ReLU"])
def test_equals_the_reference(
    tmp_path: Path,
    make: Callable[..., Arrays],
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
    kind: str,
    d_in: int,
    d_sae: int,
) -> None:
    arrays = make(d_in, d_sae)
    dictionary = load_dictionary(write(tmp_path / PLACE / "8.pt", arrays, kind))
    x = tokens(d_in)
    agrees(dictionary, x, *reference(arrays, x, kind))
    config = dictionary.config
    assert config.format == "openai"
    assert config.hook_name == "blocks.8.hook_resid_post"
    assert (config.model_name, config.context_size, config.prepend_bos) == ("gpt2", 64, None)
    assert config.k == (3 if kind == "TopK" else None)
    assert config.recognition.surplus == [
        "latents_activation_frequency",
        "latents_mean_square",
        "stats_last_nonzero",
    ]


def test_a_file_that_names_no_activation_is_relu(
    tmp_path: Path,
    make: Callable[..., Arrays],
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
) -> None:
    arrays, x = make(), tokens(5)
    dictionary = load_dictionary(write(tmp_path / "3.pt", arrays, None))
    agrees(dictionary, x, *reference(arrays, x, "ReLU"))


def test_a_tied_decoder(
    tmp_path: Path,
    make: Callable[..., Arrays],
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
) -> None:
    arrays, x = make(), tokens(5)
    arrays["decoder.weight"] = arrays["encoder.weight"].T
    stored = {name: value for name, value in arrays.items() if name != "decoder.weight"}
    stored["decoder.linear.weight"] = arrays["encoder.weight"]
    dictionary = load_dictionary(write(tmp_path / "3.pt", stored, "ReLU"))
    agrees(dictionary, x, *reference(arrays, x, "ReLU"))


def test_ties_go_to_the_lower_feature(tmp_path: Path, make: Callable[..., Arrays]) -> None:
    arrays = make() | {"encoder.weight": np.zeros((9, 5)), "latent_bias": np.ones(9)}
    dictionary = load_dictionary(write(tmp_path / "0.pt", arrays))
    x = torch.from_numpy(np.arange(5.0)[None]).float()
    assert dictionary.encode(x).nonzero()[:, 1].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("place", "hook_name"),
    [
        ("mlp_post_act/autoencoders/3.pt", "blocks.3.mlp.hook_post"),
        ("resid_delta_mlp_v4/autoencoders/0.pt", "blocks.0.hook_mlp_out"),
        ("resid_delta_attn_v5_128k/autoencoders/11.pt", "blocks.11.hook_attn_out"),
        ("resid_post_attn_v5_32k/autoencoders/5.pt", "blocks.5.hook_resid_mid"),
        ("resid_post_mlp_v5_32k/autoencoders/5.pt", "blocks.5.hook_resid_post"),
        ("resid_post_mlp_v5_32k/autoencoders/best.pt", None),
        ("somewhere/5.pt", None),
    ],
)
def test_file_and_folder_name_the_site(
    tmp_path: Path, make: Callable[..., Arrays], place: str, hook_name: str | None
) -> None:
    assert load_dictionary(write(tmp_path / place, make())).config.hook_name == hook_name


def test_a_folder_of_layers_lists_them(tmp_path: Path, make: Callable[..., Arrays]) -> None:
    for layer in (0, 10, 9):
        write(tmp_path / f"{layer}.pt", make())
    with pytest.raises(AtlasError, match=r"3 dictionaries: 0.pt \(openai\), 9.pt .* 10.pt"):
        load_dictionary(tmp_path)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"activation": "JumpReLU"}, "activation 'JumpReLU', which can't be read"),
        (
            {"activation_state_dict": {"k": 3, "postact_fn": "Identity"}},
            "lets features fire below zero",
        ),
        ({"activation_state_dict": {}}, "k = None, expected a whole number from 1 to d_sae = 9"),
        ({"activation": torch.zeros(1)}, "activation in .* is no text"),
        ({"decoder.bias": torch.zeros(5)}, "also holds decoder.bias"),
    ],
)
def test_what_cannot_be_honoured(
    tmp_path: Path, make: Callable[..., Arrays], settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(AtlasError, match=sentence):
        load_dictionary(write(tmp_path / "1.pt", make(), **settings))
