"""`ae.pt` files, written here as the library stores them, against its encoders by definition.

The reference encodings are written out in numpy, one token and one feature at a time, from the
tensors that went into the file.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.errors import AtlasError
from app.sae.dictionary import Dictionary
from app.sae.readers import load_dictionary

D_IN, D_SAE = 5, 9
StateDict = dict[str, Tensor]
Array = NDArray[np.float64]


def draw(seed: int, *shape: int, scale: float = 1.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def linear(d_in: int = D_IN, d_sae: int = D_SAE) -> StateDict:
    """An encoder and a decoder layer in torch's orientation [out, in]."""
    return {"encoder.weight": draw(1, d_sae, d_in), "decoder.weight": draw(2, d_in, d_sae)}


def plain() -> StateDict:
    return {
        "W_enc": draw(1, D_IN, D_SAE),
        "b_enc": draw(3, D_SAE, scale=0.4),
        "W_dec": draw(2, D_SAE, D_IN),
        "b_dec": draw(4, D_IN),
    }


def state_of(class_name: str, d_in: int = D_IN, d_sae: int = D_SAE) -> StateDict:
    bias, encoder_bias = draw(4, d_in), draw(3, d_sae, scale=0.4)
    match class_name:
        case "AutoEncoder":
            return linear(d_in, d_sae) | {"bias": bias, "encoder.bias": encoder_bias}
        case "AutoEncoderNew":
            return linear(d_in, d_sae) | {"encoder.bias": encoder_bias, "decoder.bias": bias}
        case "GatedAutoEncoder":
            vectors = {
                name: draw(seed, d_sae, scale=0.4)
                for seed, name in enumerate(("r_mag", "gate_bias", "mag_bias"), start=5)
            }
            return {"decoder_bias": bias} | linear(d_in, d_sae) | vectors
        case "AutoEncoderTopK" | "BatchTopKSAE":
            buffers = {"k": torch.tensor(3, dtype=torch.int), "threshold": torch.tensor(0.8)}
            return {"b_dec": bias, "encoder.bias": encoder_bias} | buffers | linear(d_in, d_sae)
        case "MatryoshkaBatchTopKSAE":
            sizes = {"group_sizes": torch.tensor([4, D_SAE - 4])}
            return plain() | sizes | {"k": torch.tensor(3), "threshold": torch.tensor(0.8)}
        case "JumpReluAutoEncoder":
            return plain() | {"threshold": draw(8, D_SAE).abs()}
    raise ValueError(class_name)


def write(
    folder: Path,
    state: dict[str, Any],
    trainer: dict[str, Any] | None = None,
    buffer: dict[str, Any] | None = None,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / "ae.pt")
    if trainer is not None:
        (folder / "config.json").write_text(json.dumps({"trainer": trainer, "buffer": buffer}))
    return folder


def tokens(d_in: int = D_IN) -> Array:
    return draw(99, 40, d_in, scale=2.0).double().numpy() + 0.5


def reference(class_name: str, state: StateDict, x: Array) -> tuple[Array, Array]:
    """(feature_acts, x_hat) by the library's definitions, one token and one feature at a time."""
    a = {name: value.double().numpy() for name, value in state.items()}
    W_enc = a["W_enc"] if "W_enc" in a else a["encoder.weight"].T
    W_dec = a["W_dec"] if "W_dec" in a else a["decoder.weight"].T
    b_enc = a.get("b_enc", a.get("encoder.bias", np.zeros(W_enc.shape[1])))
    b_dec = next(a[n] for n in ("b_dec", "bias", "decoder_bias", "decoder.bias") if n in a)
    pre_bias = 0 if class_name in ("AutoEncoderNew", "JumpReluAutoEncoder") else b_dec
    acts = np.zeros((len(x), W_enc.shape[1]))
    for t, token in enumerate(x):
        for f in range(W_enc.shape[1]):
            h = float((token - pre_bias) @ W_enc[:, f]) + b_enc[f]
            if class_name == "GatedAutoEncoder":
                magnitude = math.exp(a["r_mag"][f]) * h + a["mag_bias"][f]
                acts[t, f] = max(0.0, magnitude) if h + a["gate_bias"][f] > 0 else 0.0
            elif class_name == "AutoEncoder":
                acts[t, f] = max(0.0, h) * math.sqrt(sum(v * v for v in W_dec[f]))
            elif class_name in ("BatchTopKSAE", "MatryoshkaBatchTopKSAE"):
                acts[t, f] = max(0.0, h) if max(0.0, h) > a["threshold"] else 0.0
            elif class_name == "JumpReluAutoEncoder":
                acts[t, f] = max(0.0, h) if h > a["threshold"][f] else 0.0
            else:
                acts[t, f] = max(0.0, h)
        if class_name == "AutoEncoderTopK":
            kept = sorted(range(len(acts[t])), key=lambda f: (-acts[t, f], f))[: int(a["k"])]
            acts[t] = [acts[t, f] if f in kept else 0.0 for f in range(len(acts[t]))]
    # The library brings an AutoEncoder's decoder to unit norm when it is loaded.
    norms = np.linalg.norm(W_dec, axis=1) if class_name == "AutoEncoder" else 1.0
    return acts, acts / norms @ W_dec + b_dec


def assert_equals_reference(
    dictionary: Dictionary, class_name: str, state: StateDict, d_in: int = D_IN
) -> None:
    x = torch.from_numpy(tokens(d_in)).float()
    acts = dictionary.encode(x)
    expected_acts, expected_out = reference(class_name, state, tokens(d_in))
    assert 0 < (expected_acts > 0).mean() < 1
    np.testing.assert_allclose(acts.numpy(), expected_acts, atol=5e-5)
    np.testing.assert_allclose(dictionary.decode(acts, x).numpy(), expected_out, atol=5e-4)
    assert dictionary.config.architecture == class_name


CLASSES = [
    "AutoEncoder",
    "AutoEncoderNew",
    "GatedAutoEncoder",
    "AutoEncoderTopK",
    "BatchTopKSAE",
    "MatryoshkaBatchTopKSAE",
    "JumpReluAutoEncoder",
]


@pytest.mark.parametrize("class_name", CLASSES)
def test_declared_classes_equal_the_reference(tmp_path: Path, class_name: str) -> None:
    state = state_of(class_name)
    folder = write(tmp_path / "run", state, {"dict_class": class_name})
    assert_equals_reference(load_dictionary(folder), class_name, state)


@pytest.mark.parametrize("class_name", [name for name in CLASSES if name != "BatchTopKSAE"])
def test_without_a_config_the_names_of_the_tensors_decide(tmp_path: Path, class_name: str) -> None:
    state = state_of(class_name)
    folder = write(tmp_path / "a" / "b" / "c" / "d", state)
    assert_equals_reference(load_dictionary(folder), class_name, state)


@pytest.mark.parametrize(
    "class_name", ["AutoEncoder", "AutoEncoderNew", "GatedAutoEncoder", "AutoEncoderTopK"]
)
def test_fewer_features_than_dimensions(tmp_path: Path, class_name: str) -> None:
    state = state_of(class_name, d_in=7, d_sae=4)
    folder = write(tmp_path / "a" / "b" / "c" / "d", state)
    assert_equals_reference(load_dictionary(folder), class_name, state, d_in=7)


def test_a_decoder_of_unit_norm_is_left_as_it_is(tmp_path: Path) -> None:
    state = state_of("AutoEncoder")
    state["decoder.weight"] /= state["decoder.weight"].norm(dim=0)
    dictionary = load_dictionary(write(tmp_path, state))
    assert torch.equal(dictionary.W_enc, state["encoder.weight"].T)
    assert dictionary.config.convention == "input in the model's scale; decoder rows of norm 1"


def test_folding_is_part_of_the_convention(tmp_path: Path) -> None:
    convention = load_dictionary(write(tmp_path, state_of("AutoEncoder"))).config.convention
    assert "activations multiplied by the stored decoder norm" in convention
    unfolded = load_dictionary(write(tmp_path / "new", state_of("AutoEncoderNew"))).config
    assert "not folded into the activations" in unfolded.convention


@pytest.mark.parametrize(
    ("folder", "class_name"),
    [
        ("BatchTopK_pythia/resid_post_layer_3/trainer_0", "BatchTopKSAE"),
        ("batch_top_k/1/2", "BatchTopKSAE"),
        ("topk/1/2", "AutoEncoderTopK"),
        ("TopK_gemma/1/2", "AutoEncoderTopK"),
    ],
)
def test_the_folder_tells_batch_top_k_from_top_k(
    tmp_path: Path, folder: str, class_name: str
) -> None:
    state = state_of(class_name)
    dictionary = load_dictionary(write(tmp_path / folder, state))
    assert_equals_reference(dictionary, class_name, state)
    assert "read as" not in dictionary.config.convention


def test_where_nothing_tells_them_apart_the_convention_says_what_was_assumed(
    tmp_path: Path,
) -> None:
    state = state_of("AutoEncoderTopK")
    dictionary = load_dictionary(write(tmp_path / "a" / "b" / "c" / "d", state))
    assert "read as per-token top-k" in dictionary.config.convention
    state["threshold"] = torch.tensor(-1.0)
    dictionary = load_dictionary(write(tmp_path / "a" / "b" / "c" / "e", state))
    assert "read as" not in dictionary.config.convention
    assert_equals_reference(dictionary, "AutoEncoderTopK", state)


def test_k_of_an_older_file_comes_from_its_config(tmp_path: Path) -> None:
    state = state_of("AutoEncoderTopK")
    old = {name: value for name, value in state.items() if name not in ("k", "threshold")}
    trainer = {"dict_class": "AutoEncoderTopK", "k": 3}
    dictionary = load_dictionary(write(tmp_path, old, trainer))
    assert_equals_reference(dictionary, "AutoEncoderTopK", state)
    assert dictionary.config.k == 3


def test_declared_sparsity_is_kept_for_the_check(tmp_path: Path) -> None:
    batch = write(tmp_path / "1", state_of("BatchTopKSAE"), {"dict_class": "BatchTopKSAE"})
    assert load_dictionary(batch).config.target_l0 == 3
    assert load_dictionary(batch).config.k is None
    trainer = {"dict_class": "JumpReluAutoEncoder", "target_l0": 20.0}
    jump = write(tmp_path / "2", state_of("JumpReluAutoEncoder"), trainer)
    assert load_dictionary(jump).config.target_l0 == 20.0
    assert load_dictionary(write(tmp_path / "3", state_of("AutoEncoder"))).config.target_l0 is None


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    state = {name: value.to(torch.bfloat16) for name, value in state_of("AutoEncoderNew").items()}
    dictionary = load_dictionary(write(tmp_path, state))
    assert torch.equal(dictionary.W_dec, state["decoder.weight"].T.float())


@pytest.mark.parametrize(
    ("folder", "hook_name"),
    [
        ("pythia-70m-deduped/mlp_out_layer3/10_32768", "blocks.3.hook_mlp_out"),
        ("pythia-70m-deduped/resid_out_layer0/0_8192", "blocks.0.hook_resid_post"),
        ("pythia-70m-deduped/attn_out_layer12/0_8192", "blocks.12.hook_attn_out"),
        ("x/resid_post_layer_4/trainer_0", "blocks.4.hook_resid_post"),
        ("attn_out_layer1/resid_pre_layer_2/x", "blocks.2.hook_resid_pre"),
        ("somewhere/else", None),
    ],
)
def test_the_folder_names_the_site(tmp_path: Path, folder: str, hook_name: str | None) -> None:
    path = write(tmp_path / folder, state_of("AutoEncoder"))
    assert load_dictionary(path).config.hook_name == hook_name
    assert load_dictionary(path / "ae.pt").config.hook_name == hook_name


@pytest.mark.parametrize(
    ("trainer", "hook_name"),
    [
        ({"layer": 3}, "blocks.3.hook_resid_post"),
        ({"layer": 3, "submodule_name": None}, "blocks.3.hook_resid_post"),
        ({"layer": 3, "submodule_name": "resid_post_layer_3"}, "blocks.3.hook_resid_post"),
        ({"layer": 5, "submodule_name": "mlp_out"}, "blocks.5.hook_mlp_out"),
        ({"layer": 5, "submodule_name": "something"}, None),
    ],
)
def test_the_config_names_the_site(
    tmp_path: Path, trainer: dict[str, Any], hook_name: str | None
) -> None:
    path = write(tmp_path / "run", state_of("AutoEncoder"), trainer)
    assert load_dictionary(path).config.hook_name == hook_name


def test_the_config_has_the_model_and_the_context(tmp_path: Path) -> None:
    trainer = {
        "dict_class": "AutoEncoder",
        "lm_name": "EleutherAI/pythia-70m-deduped",
        "activation_dim": D_IN,
        "dict_size": D_SAE,
        "layer": 1,
    }
    path = write(tmp_path, state_of("AutoEncoder"), trainer, {"ctx_len": 128})
    config = load_dictionary(path).config
    assert config.format == "dictionary_learning"
    assert config.model_name == "EleutherAI/pythia-70m-deduped"
    assert config.context_size == 128
    assert config.prepend_bos is False
    assert (config.d_in, config.d_sae) == (D_IN, D_SAE)
    assert config.raw["trainer"]["layer"] == 1


def test_bos_is_left_open_for_other_models(tmp_path: Path) -> None:
    trainer = {"lm_name": "google/gemma-2-2b"}
    path = write(tmp_path / "run", state_of("AutoEncoder"), trainer)
    assert load_dictionary(path).config.prepend_bos is None
    path = write(tmp_path / "pythia-70m" / "x", state_of("AutoEncoder"))
    assert load_dictionary(path).config.prepend_bos is False


@pytest.mark.parametrize("class_name", ["BatchTopKSAE", "MatryoshkaBatchTopKSAE"])
def test_a_threshold_that_was_never_set_is_refused(tmp_path: Path, class_name: str) -> None:
    state = state_of(class_name) | {"threshold": torch.tensor(-1.0)}
    with pytest.raises(AtlasError, match="threshold -1, which means that training never set it"):
        load_dictionary(write(tmp_path, state, {"dict_class": class_name}))


def test_unknown_names_are_listed_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(AtlasError) as caught:
        load_dictionary(write(tmp_path, {"weight": draw(0, 2, 2), "other": draw(0, 2)}))
    assert "ae.pt holds other, weight, which is no class of dictionary_learning" in str(
        caught.value
    )
    assert "AutoEncoder: encoder.weight, decoder.weight, encoder.bias, bias" in str(caught.value)


def test_a_declared_class_with_other_tensors_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, state_of("AutoEncoder"), {"dict_class": "JumpReluAutoEncoder"})
    with pytest.raises(AtlasError, match="lacks W_dec, W_enc, b_dec, b_enc, threshold, expected"):
        load_dictionary(path)


def test_an_unknown_class_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, state_of("AutoEncoder"), {"dict_class": "CrossCoder"})
    with pytest.raises(AtlasError, match="is of class 'CrossCoder', which can't be read; known"):
        load_dictionary(path)


def test_sizes_of_the_config_are_held_against_the_weights(tmp_path: Path) -> None:
    trainer = {"dict_class": "AutoEncoder", "activation_dim": D_SAE, "dict_size": D_IN}
    path = write(tmp_path, state_of("AutoEncoder"), trainer)
    with pytest.raises(AtlasError, match=r"has 5 where its config.json says activation_dim = 9"):
        load_dictionary(path)


@pytest.mark.parametrize("name", ["encoder.weight", "bias"])
def test_nan_is_refused(tmp_path: Path, name: str) -> None:
    state = state_of("AutoEncoder")
    state[name].view(-1)[0] = float("nan")
    with pytest.raises(AtlasError, match=rf"{name} in .*ae.pt holds 1 value that is NaN"):
        load_dictionary(write(tmp_path, state))


@pytest.mark.parametrize("name", ["decoder.weight", "encoder.bias", "bias"])
def test_shapes_that_do_not_fit_are_refused(tmp_path: Path, name: str) -> None:
    state = state_of("AutoEncoder")
    state[name] = state[name].T if state[name].ndim == 2 else state[name][:-1]
    with pytest.raises(AtlasError, match=rf"{name} in .* has shape .*, expected"):
        load_dictionary(write(tmp_path, state))


def test_group_sizes_must_add_up(tmp_path: Path) -> None:
    state = state_of("MatryoshkaBatchTopKSAE") | {"group_sizes": torch.tensor([4, 4])}
    with pytest.raises(AtlasError, match="add up to 8, expected d_sae = 9"):
        load_dictionary(write(tmp_path, state))


@pytest.mark.parametrize("k", [0, 10])
def test_k_out_of_range_is_refused(tmp_path: Path, k: int) -> None:
    state = state_of("AutoEncoderTopK") | {"k": torch.tensor(k)}
    with pytest.raises(AtlasError, match=f"k = {k}, expected a whole number from 1 to d_sae = 9"):
        load_dictionary(write(tmp_path, state, {"dict_class": "AutoEncoderTopK"}))


def test_buffers_of_another_kind_are_refused(tmp_path: Path) -> None:
    state = state_of("BatchTopKSAE") | {"threshold": torch.zeros(D_SAE)}
    with pytest.raises(AtlasError, match=r"threshold in .* is not a single number"):
        load_dictionary(write(tmp_path / "1", state, {"dict_class": "BatchTopKSAE"}))
    state = state_of("MatryoshkaBatchTopKSAE") | {"group_sizes": torch.tensor([4.5, 4.5])}
    with pytest.raises(AtlasError, match=r"group_sizes in .* is no list of whole numbers"):
        load_dictionary(write(tmp_path / "2", state))
