"""SAELens folders, written here from the format's definition, against reference encodings.

The reference is written out in numpy, one token and one feature at a time, from the arrays that
went into the file: it shares nothing with the code under test.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from app.errors import AtlasError
from app.sae.dictionary import Dictionary
from app.sae.readers import load_dictionary

Arrays = dict[str, NDArray[np.float64]]


def arrays(architecture: str = "standard", d_in: int = 5, d_sae: int = 9, seed: int = 0) -> Arrays:
    """Tensors under the format's names, with biases that are not zero."""
    rng = np.random.default_rng(seed)
    made: Arrays = {
        "W_enc": rng.normal(size=(d_in, d_sae)),
        "W_dec": rng.normal(size=(d_sae, d_in)),
        "b_dec": rng.normal(size=d_in),
    }
    if architecture == "gated":
        made |= {name: rng.normal(size=d_sae) * 0.4 for name in ("b_gate", "b_mag", "r_mag")}
    else:
        made["b_enc"] = rng.normal(size=d_sae) * 0.4
    if architecture == "jumprelu":
        made["threshold"] = np.abs(rng.normal(size=d_sae))
    # What float32 keeps, so that reference and file agree on who is above a threshold.
    return {name: value.astype(np.float32).astype(np.float64) for name, value in made.items()}


def write(
    folder: Path,
    tensors: Arrays,
    config: dict[str, Any],
    dtype: torch.dtype = torch.float32,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cfg.json").write_text(json.dumps(config))
    stored = {name: torch.from_numpy(np.array(value)).to(dtype) for name, value in tensors.items()}
    save_file(stored, folder / "sae_weights.safetensors")
    return folder


def nested(architecture: str = "standard", **settings: Any) -> dict[str, Any]:
    """A v6 config."""
    metadata = {
        "model_name": "pythia-70m",
        "hook_name": "blocks.3.hook_resid_post",
        "prepend_bos": False,
        "context_size": 256,
        "sae_lens_version": "6.54.12",
    }
    return {
        "d_in": 5,
        "d_sae": 9,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "architecture": architecture,
        "metadata": metadata | settings.pop("metadata", {}),
    } | settings


def flat(**settings: Any) -> dict[str, Any]:
    """A v3 to v5 config."""
    return {
        "model_name": "gpt2-small",
        "hook_point": "blocks.7.hook_resid_pre",
        "hook_point_layer": 7,
        "hook_point_head_index": None,
        "d_in": 5,
        "d_sae": 9,
        "activation_fn_str": "relu",
        "context_size": 128,
        "dtype": "torch.float32",
    } | settings


def tokens(d_in: int = 5) -> NDArray[np.float64]:
    values = np.random.default_rng(42).normal(size=(40, d_in)) * 2 + 0.5
    return values.astype(np.float32).astype(np.float64)


def normalised(x: NDArray[np.float64], kind: str) -> tuple[NDArray[np.float64], float, float]:
    """(token in the dictionary's scale, factor and shift that undo it)."""
    if kind == "layer_norm":
        deviation = math.sqrt(sum((v - x.mean()) ** 2 for v in x) / (len(x) - 1))
        return (x - x.mean()) / (deviation + 1e-5), deviation, x.mean()
    if kind == "constant_norm_rescale":
        factor = math.sqrt(sum(v * v for v in x)) / math.sqrt(len(x))
        return x / factor, factor, 0.0
    return x, 1.0, 0.0


def reference(
    tensors: Arrays, config: dict[str, Any], x: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(hidden_pre, feature_acts, x_hat) of SAELens' inference classes, loop by loop."""
    d_sae = tensors["W_enc"].shape[1]
    norms = [math.sqrt(sum(v * v for v in row)) for row in tensors["W_dec"]]
    rescale = config.get("rescale_acts_by_decoder_norm", False)
    pre, acts, out = (np.zeros((len(x), n)) for n in (d_sae, d_sae, x.shape[1]))
    for t, token in enumerate(x):
        scaled, factor, shift = normalised(token, config.get("normalize_activations") or "none")
        x_in = scaled - tensors["b_dec"] * config.get("apply_b_dec_to_input", True)
        for f in range(d_sae):
            linear = sum(x_in[i] * tensors["W_enc"][i, f] for i in range(len(x_in)))
            if config.get("architecture") == "gated":
                pre[t, f] = linear * math.exp(tensors["r_mag"][f]) + tensors["b_mag"][f]
                acts[t, f] = max(0.0, pre[t, f]) * (linear + tensors["b_gate"][f] > 0)
                continue
            pre[t, f] = (linear + tensors["b_enc"][f]) * (norms[f] if rescale else 1.0)
            threshold = tensors["threshold"][f] if "threshold" in tensors else -math.inf
            acts[t, f] = max(0.0, pre[t, f]) * (pre[t, f] > threshold)
        if config.get("architecture") == "topk":
            kept = sorted(range(d_sae), key=lambda f: (-pre[t, f], f))[: config["k"]]
            acts[t] = [acts[t, f] if f in kept else 0.0 for f in range(d_sae)]
        weights = acts[t] / norms if rescale else acts[t]
        out[t] = (weights @ tensors["W_dec"] + tensors["b_dec"]) * factor + shift
    return pre, acts, out


def assert_equals_reference(
    dictionary: Dictionary, tensors: Arrays, config: dict[str, Any], d_in: int = 5
) -> None:
    x = torch.from_numpy(tokens(d_in)).float()
    hidden_pre, feature_acts = dictionary.forward_encoder(x)
    expected_pre, expected_acts, expected_out = reference(tensors, config, tokens(d_in))
    assert 0 < (expected_acts > 0).mean() < 1
    np.testing.assert_allclose(hidden_pre.numpy(), expected_pre, atol=2e-5)
    np.testing.assert_allclose(feature_acts.numpy(), expected_acts, atol=2e-5)
    np.testing.assert_allclose(dictionary.decode(feature_acts, x).numpy(), expected_out, atol=1e-4)


CASES = {
    "standard": nested(),
    "jumprelu": nested("jumprelu"),
    "gated": nested("gated"),
    "topk": nested("topk", k=3),
    "topk-every-feature": nested("topk", k=9),
    "topk-rescaled": nested("topk", k=3, rescale_acts_by_decoder_norm=True),
    "no-pre-bias": nested("jumprelu", apply_b_dec_to_input=False),
    "gated-no-pre-bias": nested("gated", apply_b_dec_to_input=False),
    "layer-norm": nested(normalize_activations="layer_norm"),
    "layer-norm-topk": nested("topk", k=2, normalize_activations="layer_norm"),
    "constant-norm": nested("jumprelu", normalize_activations="constant_norm_rescale"),
    "null-normalisation": nested(normalize_activations=None),
}


@pytest.mark.parametrize("config", CASES.values(), ids=CASES.keys())
def test_v6_equals_the_reference(tmp_path: Path, config: dict[str, Any]) -> None:
    tensors = arrays(config["architecture"])
    dictionary = load_dictionary(write(tmp_path, tensors, config))
    assert_equals_reference(dictionary, tensors, config)


@pytest.mark.parametrize("architecture", ["standard", "jumprelu", "gated", "topk"])
def test_fewer_features_than_dimensions(tmp_path: Path, architecture: str) -> None:
    config = nested(architecture, d_in=7, d_sae=4, k=2)
    tensors = arrays(architecture, d_in=7, d_sae=4)
    dictionary = load_dictionary(write(tmp_path, tensors, config))
    assert_equals_reference(dictionary, tensors, config, d_in=7)
    assert (dictionary.config.d_in, dictionary.config.d_sae) == (7, 4)


def test_v6_metadata(tmp_path: Path) -> None:
    config = load_dictionary(write(tmp_path, arrays("topk"), nested("topk", k=3))).config
    assert config.format == "saelens"
    assert config.architecture == "topk"
    assert config.hook_name == "blocks.3.hook_resid_post"
    assert config.prepend_bos is False
    assert config.context_size == 256
    assert config.model_name == "pythia-70m"
    assert config.k == 3
    assert config.path == tmp_path
    assert config.raw["metadata"]["sae_lens_version"] == "6.54.12"
    assert not config.flatten_heads


def test_v6_does_not_invent_a_bos(tmp_path: Path) -> None:
    config = nested()
    del config["metadata"]["prepend_bos"]
    assert load_dictionary(write(tmp_path, arrays(), config)).config.prepend_bos is None


def test_a_release_candidate_calls_the_metadata_meta(tmp_path: Path) -> None:
    config = nested()
    config["meta"] = config.pop("metadata")
    loaded = load_dictionary(write(tmp_path, arrays(), config)).config
    assert loaded.hook_name == "blocks.3.hook_resid_post"


def test_flat_configs_have_their_own_names_and_defaults(tmp_path: Path) -> None:
    tensors = arrays()
    dictionary = load_dictionary(write(tmp_path, tensors, flat()))
    assert_equals_reference(dictionary, tensors, {"apply_b_dec_to_input": True})
    assert dictionary.config.architecture == "standard"
    assert dictionary.config.hook_name == "blocks.7.hook_resid_pre"
    assert dictionary.config.prepend_bos is True
    assert dictionary.config.context_size == 128
    assert dictionary.config.hook_head_index is None


@pytest.mark.parametrize(
    "settings",
    [
        {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 2}},
        {"activation_fn": "topk", "activation_fn_str": None, "activation_fn_kwargs": {"k": 2}},
        {"architecture": "topk", "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 2}},
    ],
    ids=["standard-with-topk", "v5-name", "architecture-topk"],
)
def test_flat_topk_hides_its_k_in_the_activation_function(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    tensors = arrays("topk")
    dictionary = load_dictionary(write(tmp_path, tensors, flat(**settings)))
    assert_equals_reference(dictionary, tensors, {"architecture": "topk", "k": 2})
    assert dictionary.config.architecture == "topk"


@pytest.mark.parametrize("architecture", ["jumprelu", "gated"])
def test_flat_architectures(tmp_path: Path, architecture: str) -> None:
    tensors = arrays(architecture)
    dictionary = load_dictionary(write(tmp_path, tensors, flat(architecture=architecture)))
    assert_equals_reference(dictionary, tensors, {"architecture": architecture})


def test_the_oldest_hook_points_are_patterns(tmp_path: Path) -> None:
    config = flat(hook_point="blocks.{layer}.hook_mlp_out", hook_point_layer=2)
    loaded = load_dictionary(write(tmp_path, arrays(), config)).config
    assert loaded.hook_name == "blocks.2.hook_mlp_out"


def test_attention_dictionaries_flatten_their_heads(tmp_path: Path) -> None:
    unstated = flat(hook_point="blocks.4.attn.hook_z", hook_point_head_index=5)
    loaded = load_dictionary(write(tmp_path / "flat", arrays(), unstated)).config
    assert loaded.flatten_heads and loaded.hook_head_index == 5
    stated = nested(reshape_activations="hook_z", metadata={"hook_name": "blocks.4.attn.hook_z"})
    assert load_dictionary(write(tmp_path / "v6", arrays(), stated)).config.flatten_heads


def test_a_boolean_normalisation_of_false_is_none(tmp_path: Path) -> None:
    dictionary = load_dictionary(write(tmp_path, arrays(), flat(normalize_activations=False)))
    assert not dictionary.normalisation.needs_input
    assert not dictionary.config.input_scale_unsettled


@pytest.mark.parametrize("declared", [True, "expected_average_only_in"])
def test_an_average_without_its_value_is_left_for_the_activations_to_settle(
    tmp_path: Path, declared: bool | str
) -> None:
    tensors = arrays()
    dictionary = load_dictionary(write(tmp_path, tensors, flat(normalize_activations=declared)))
    assert_equals_reference(dictionary, tensors, {})
    assert dictionary.config.input_scale_unsettled
    assert "taken as already in the weights" in dictionary.config.convention


@pytest.mark.parametrize("place", ["config", "scaler", "store"])
def test_an_average_beside_the_weights_is_applied(tmp_path: Path, place: str) -> None:
    tensors = arrays("jumprelu")
    config = nested("jumprelu", normalize_activations="expected_average_only_in")
    if place == "config":
        config["norm_scaling_factor"] = 0.25
    write(tmp_path, tensors, config)
    if place == "scaler":
        (tmp_path / "activation_scaler.json").write_text('{"scaling_factor": 0.25}')
    if place == "store":
        state = {
            "estimated_norm_scaling_factor": torch.tensor(0.25),
            "n_dataset_processed": torch.tensor(7),
        }
        save_file(state, tmp_path / "activations_store_state.safetensors")
    dictionary = load_dictionary(tmp_path)
    x = torch.from_numpy(tokens()).float()
    _, expected_acts, scaled_out = reference(tensors, nested("jumprelu"), tokens() * 0.25)
    np.testing.assert_allclose(dictionary.encode(x).numpy(), expected_acts, atol=2e-5)
    x_hat = dictionary.decode(dictionary.encode(x)).numpy()
    np.testing.assert_allclose(x_hat, scaled_out / 0.25, atol=1e-4)
    assert not dictionary.config.input_scale_unsettled
    assert "input scaled by 0.25, folded" in dictionary.config.convention


def test_a_finished_run_leaves_an_empty_scaler(tmp_path: Path) -> None:
    write(tmp_path, arrays(), nested())
    (tmp_path / "activation_scaler.json").write_text('{"scaling_factor": null}')
    assert not load_dictionary(tmp_path).config.input_scale_unsettled


@pytest.mark.parametrize("rescaled", [True, False])
@pytest.mark.parametrize("architecture", ["batchtopk", "matryoshka_batchtopk"])
def test_a_batch_top_k_checkpoint_is_read_as_its_threshold(
    tmp_path: Path, architecture: str, rescaled: bool
) -> None:
    tensors = arrays()
    config = nested(architecture, k=2.5, rescale_acts_by_decoder_norm=rescaled)
    stored = tensors | {"topk_threshold": np.array(0.75)}
    dictionary = load_dictionary(write(tmp_path, stored, config))
    expected = tensors | {"threshold": np.full(9, 0.75)}
    assert_equals_reference(dictionary, expected, {"rescale_acts_by_decoder_norm": rescaled})
    assert dictionary.config.target_l0 == 2.5
    assert dictionary.config.k is None


def test_batch_top_k_rescales_unless_it_says_otherwise(tmp_path: Path) -> None:
    stored = arrays() | {"topk_threshold": np.array(0.75)}
    dictionary = load_dictionary(write(tmp_path, stored, nested("batchtopk", k=2)))
    torch.testing.assert_close(dictionary.decoder_norm(), torch.ones(9))


def test_a_finished_jumprelu_ignores_the_rescaling_of_its_training(tmp_path: Path) -> None:
    tensors = arrays("jumprelu")
    config = nested("jumprelu", rescale_acts_by_decoder_norm=True)
    dictionary = load_dictionary(write(tmp_path, tensors, config))
    assert_equals_reference(dictionary, tensors, nested("jumprelu"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = arrays("jumprelu")
    dictionary = load_dictionary(write(tmp_path, tensors, nested("jumprelu"), dtype))
    rounded = torch.from_numpy(tensors["W_enc"]).to(dtype).float()
    assert torch.equal(dictionary.W_enc, rounded)
    assert {t.dtype for t in dictionary.activation.tensors().values()} == {torch.float32}


def test_a_finetuning_factor_belongs_to_the_decoder(tmp_path: Path) -> None:
    tensors = arrays()
    factor = np.linspace(0.5, 2, 9)
    stored = tensors | {"scaling_factor": factor}
    config = flat(finetuning_scaling_factor=True)
    dictionary = load_dictionary(write(tmp_path / "used", stored, config))
    np.testing.assert_allclose(dictionary.W_dec, tensors["W_dec"] * factor[:, None], rtol=1e-6)
    np.testing.assert_allclose(dictionary.W_enc, tensors["W_enc"], rtol=1e-6)
    ones = tensors | {"scaling_factor": np.ones(9)}
    dictionary = load_dictionary(write(tmp_path / "ones", ones, flat()))
    assert_equals_reference(dictionary, tensors, {})
    with pytest.raises(AtlasError, match="scaling_factor other than 1"):
        load_dictionary(write(tmp_path / "contradiction", stored, flat()))


def test_centred_models_have_their_mean_taken_out(tmp_path: Path) -> None:
    centred = {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
    tensors = arrays()
    dictionary = load_dictionary(write(tmp_path / "resid", tensors, flat(**centred)))
    x = tokens() - tokens().mean(axis=1, keepdims=True)
    _, expected, _ = reference(tensors, {}, x)
    acts = dictionary.encode(torch.from_numpy(tokens()).float())
    np.testing.assert_allclose(acts.numpy(), expected, atol=2e-5)
    config = flat(hook_point="blocks.7.attn.hook_z", **centred)
    dictionary = load_dictionary(write(tmp_path / "z", tensors, config))
    assert not dictionary.normalisation.centre


def test_the_convention_is_one_line(tmp_path: Path) -> None:
    config = nested("topk", k=3, rescale_acts_by_decoder_norm=True)
    convention = load_dictionary(write(tmp_path, arrays("topk"), config)).config.convention
    assert convention == (
        "input in the model's scale; activations multiplied by the decoder norm as trained, "
        "decoder divided by it; decoder rows of norm 1"
    )


@pytest.mark.parametrize("name", ["cfg.json", "sae_weights.safetensors", ""])
def test_either_file_or_the_folder_may_be_named(tmp_path: Path, name: str) -> None:
    write(tmp_path, arrays(), nested())
    assert load_dictionary(tmp_path / name).config.path == tmp_path


BAD_CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "architecture": (
        nested("crosscoder"),
        "architecture 'crosscoder', which can't be read; known are standard, gated",
    ),
    "both-directions": (nested("abstopk", k=3), "its features fire in both directions"),
    "pursuit": (nested("matching_pursuit"), "one after the other"),
    "temporal": (nested("temporal"), "its features depend on the tokens before"),
    "activation": (flat(activation_fn_str="tanh-relu"), "activation function 'tanh-relu'"),
    "normalisation": (
        nested(normalize_activations="batch_norm"),
        "normalize_activations 'batch_norm', expected one of none, layer_norm",
    ),
    "reshape": (nested(reshape_activations="hook_q"), "reshape_activations 'hook_q'"),
    "no-k": (nested("topk"), r"k = None, expected a whole number from 1 to d_sae = 9"),
    "large-k": (nested("topk", k=10), r"k = 10, expected a whole number from 1 to d_sae = 9"),
    "broken-k": (nested("topk", k=2.5), r"k = 2.5, expected a whole number"),
    "text-k": (nested("topk", k="3"), "k = '3', expected a number"),
    "d_in": (nested(d_in=6), r"W_enc .* has shape \[5, 9\], expected \[6, 9\]"),
    "d_sae": (nested(d_sae=8), r"W_enc .* has shape \[5, 9\], expected \[5, 8\]"),
    "scale": (
        nested(normalize_activations="expected_average_only_in", norm_scaling_factor=-1),
        "expected a positive number",
    ),
    "bos": (nested(metadata={"prepend_bos": "yes"}), "prepend_bos = 'yes', expected true or false"),
}


@pytest.mark.parametrize(("config", "sentence"), BAD_CONFIGS.values(), ids=BAD_CONFIGS.keys())
def test_a_config_that_cannot_be_honoured(
    tmp_path: Path, config: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(AtlasError, match=sentence):
        load_dictionary(write(tmp_path, arrays("topk"), config))


@pytest.mark.parametrize("architecture", ["jumprelu", "gated", "batchtopk"])
def test_missing_tensors_are_named_with_what_is_there(tmp_path: Path, architecture: str) -> None:
    missing = {
        "jumprelu": "threshold",
        "gated": "b_gate, b_mag, r_mag",
        "batchtopk": "topk_threshold",
    }[architecture]
    with pytest.raises(AtlasError) as caught:
        load_dictionary(write(tmp_path, arrays(), nested(architecture, k=3)))
    assert f"lacks {missing}, expected for architecture {architecture}" in str(caught.value)
    assert "it holds W_dec, W_enc, b_dec, b_enc." in str(caught.value)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_batch_top_k_threshold_that_was_never_set(tmp_path: Path, value: float) -> None:
    stored = arrays() | {"topk_threshold": np.array(value)}
    with pytest.raises(AtlasError, match="training never set it"):
        load_dictionary(write(tmp_path, stored, nested("batchtopk", k=2)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["W_enc", "W_dec", "b_enc", "b_dec", "threshold"])
def test_nan_and_infinity_are_refused_wherever_they_are(
    tmp_path: Path, name: str, bad: float
) -> None:
    tensors = arrays("jumprelu")
    tensors[name].flat[2] = bad
    with pytest.raises(AtlasError, match=rf"{name} in .* holds 1 value that is NaN or infinite"):
        load_dictionary(write(tmp_path, tensors, nested("jumprelu")))


@pytest.mark.parametrize("name", ["W_dec", "b_enc", "b_dec"])
def test_shapes_that_do_not_fit_are_refused(tmp_path: Path, name: str) -> None:
    tensors = arrays()
    tensors[name] = np.ascontiguousarray(tensors[name].T) if name == "W_dec" else np.ones(3)
    with pytest.raises(AtlasError, match=rf"{name} in .* has shape .* or are transposed"):
        load_dictionary(write(tmp_path, tensors, nested()))


def test_transposed_weights_without_sizes_in_the_config_are_refused(tmp_path: Path) -> None:
    tensors = arrays()
    tensors["W_enc"] = np.ascontiguousarray(tensors["W_enc"].T)
    with pytest.raises(AtlasError, match="are transposed"):
        load_dictionary(write(tmp_path, tensors, nested(d_in=None, d_sae=None)))


def test_integers_are_no_weights(tmp_path: Path) -> None:
    write(tmp_path, arrays(), nested(), torch.int64)
    with pytest.raises(AtlasError, match=r"W_enc in .* is torch.int64, expected a floating-point"):
        load_dictionary(tmp_path)


def test_a_dictionary_without_features_is_refused(tmp_path: Path) -> None:
    tensors = arrays(d_sae=0)
    with pytest.raises(AtlasError, match=r"W_enc in .* is empty"):
        load_dictionary(write(tmp_path, tensors, nested(d_sae=0)))


@pytest.mark.parametrize(
    ("stated", "kept"), [(2, 2), (2**20, 2**20), (1, None), (-1, None), (0, None), (10**12, None)]
)
def test_a_context_size_that_none_can_have_is_not_stated(
    tmp_path: Path, stated: int, kept: int | None
) -> None:
    config = load_dictionary(
        write(tmp_path, arrays(), nested(metadata={"context_size": stated}))
    ).config
    assert config.context_size == kept
    (fact,) = [each for each in config.recognition.findings if each.about == "context size"]
    assert f"cfg.json has context_size = {stated}" in fact.why
    assert ("and a context has 2 to 1,048,576 tokens" in fact.why) == (kept is None)
