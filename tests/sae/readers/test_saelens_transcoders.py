"""SAELens' transcoders, written here from the format's definition, against loops over its formulas.

The input has five dimensions, the output seven: nothing fits the wrong way round.
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
ARCHITECTURES = ("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder")


def arrays(architecture: str, d_in: int = 5, d_sae: int = 9, d_out: int = 7) -> Arrays:
    rng = np.random.default_rng(3)
    made: Arrays = {
        "W_enc": rng.normal(size=(d_in, d_sae)),
        "b_enc": rng.normal(size=d_sae) * 0.4,
        "W_dec": rng.normal(size=(d_sae, d_out)),
        "b_dec": rng.normal(size=d_out),
    }
    if "skip" in architecture:
        made["W_skip"] = rng.normal(size=(d_out, d_in))
    if "jumprelu" in architecture:
        made["threshold"] = np.abs(rng.normal(size=d_sae))
    return {name: value.astype(np.float32).astype(np.float64) for name, value in made.items()}


def write(folder: Path, tensors: Arrays, architecture: str, **settings: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architecture": architecture,
        "d_in": tensors["W_enc"].shape[0],
        "d_sae": tensors["W_enc"].shape[1],
        "d_out": tensors["b_dec"].shape[0],
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "metadata": {
            "hook_name": "blocks.3.ln2.hook_normalized",
            "hook_name_out": "blocks.3.hook_mlp_out",
            "sae_lens_version": "6.54.12",
        },
    }
    (folder / "cfg.json").write_text(json.dumps(config | settings))
    stored = {name: torch.from_numpy(value).float() for name, value in tensors.items()}
    save_file(stored, folder / "sae_weights.safetensors")
    return folder


def tokens(d_in: int = 5) -> NDArray[np.float64]:
    values = np.random.default_rng(4).normal(size=(30, d_in)) * 2 + 0.5
    return values.astype(np.float32).astype(np.float64)


def reference(tensors: Arrays, kind: str, x: NDArray[np.float64]) -> tuple[Any, Any]:
    """(feature_acts, prediction): the input may be normalised, the output is left as it is."""
    d_in, d_sae = tensors["W_enc"].shape
    d_out = len(tensors["b_dec"])
    acts, out = np.zeros((len(x), d_sae)), np.zeros((len(x), d_out))
    for t, raw in enumerate(x):
        token = raw
        if kind == "layer_norm":
            token = (raw - raw.mean()) / (raw.std(ddof=1) + 1e-5)
        if kind == "constant_norm_rescale":
            token = raw * math.sqrt(d_in) / np.linalg.norm(raw)
        for f in range(d_sae):
            pre = sum(token[i] * tensors["W_enc"][i, f] for i in range(d_in)) + tensors["b_enc"][f]
            threshold = tensors["threshold"][f] if "threshold" in tensors else 0.0
            acts[t, f] = pre if pre > max(0.0, threshold) else 0.0
        for o in range(d_out):
            out[t, o] = tensors["b_dec"][o]
            out[t, o] += sum(acts[t, f] * tensors["W_dec"][f, o] for f in range(d_sae))
            if "W_skip" in tensors:
                out[t, o] += sum(tensors["W_skip"][o, i] * raw[i] for i in range(d_in))
    return acts, out


def check(dictionary: Dictionary, tensors: Arrays, kind: str = "none") -> None:
    x = tokens(len(tensors["W_enc"]))
    acts, out = reference(tensors, kind, x)
    assert 0 < (acts > 0).mean() < 1
    given = torch.from_numpy(x).float()
    found = dictionary.encode(given)
    np.testing.assert_allclose(found.numpy(), acts, atol=2e-5)
    np.testing.assert_allclose(dictionary.decode(found, given).numpy(), out, atol=1e-4)
    row, feature = found.nonzero(as_tuple=True)
    by_events = dictionary.decode_events(row, feature, found[row, feature], given)
    np.testing.assert_allclose(by_events.numpy(), out, atol=1e-4)


@pytest.mark.parametrize("kind", ["none", "layer_norm", "constant_norm_rescale"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equals_the_reference(tmp_path: Path, architecture: str, kind: str) -> None:
    tensors = arrays(architecture)
    folder = write(tmp_path, tensors, architecture, normalize_activations=kind)
    check(load_dictionary(folder), tensors, kind)


def test_fewer_features_than_dimensions(tmp_path: Path) -> None:
    tensors = arrays("jumprelu_skip_transcoder", d_in=8, d_sae=4, d_out=6)
    check(load_dictionary(write(tmp_path, tensors, "jumprelu_skip_transcoder")), tensors)


def test_both_hooks_are_known(tmp_path: Path) -> None:
    config = load_dictionary(write(tmp_path, arrays("transcoder"), "transcoder")).config
    assert config.is_transcoder
    assert config.hook_name == "blocks.3.ln2.hook_normalized"
    assert config.hook_name_out == "blocks.3.hook_mlp_out"


def test_a_transcoder_that_says_b_dec_is_subtracted_is_read_as_the_library_runs_it(
    tmp_path: Path,
) -> None:
    """b_dec has the width of the output; SAELens itself never subtracts it."""
    tensors = arrays("transcoder", d_out=5)
    check(
        load_dictionary(write(tmp_path, tensors, "transcoder", apply_b_dec_to_input=True)), tensors
    )


def test_a_skip_that_the_config_does_not_announce_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, arrays("skip_transcoder"), "transcoder")
    with pytest.raises(AtlasError, match="also holds W_skip, which architecture transcoder doesn"):
        load_dictionary(folder)


def test_statistics_of_training_are_told_and_left_alone(tmp_path: Path) -> None:
    tensors = arrays("transcoder")
    stored = tensors | {"n_forward_passes": np.zeros(9)}
    dictionary = load_dictionary(write(tmp_path, stored, "transcoder"))
    check(dictionary, tensors)
    assert dictionary.config.recognition.surplus == ["n_forward_passes"]


@pytest.mark.parametrize("name", ["W_skip", "W_dec", "b_dec"])
def test_shapes_that_do_not_fit(tmp_path: Path, name: str) -> None:
    tensors = arrays("skip_transcoder")
    tensors[name] = np.ascontiguousarray(tensors[name].T) if tensors[name].ndim == 2 else np.ones(5)
    with pytest.raises(AtlasError, match=rf"{name} in .* has shape"):
        load_dictionary(write(tmp_path, tensors, "skip_transcoder", d_out=7))


def test_the_findings_say_where_each_fact_comes_from(tmp_path: Path) -> None:
    config = load_dictionary(write(tmp_path, arrays("transcoder"), "transcoder")).config
    why = {finding.about: finding.why for finding in config.recognition.findings}
    assert why["architecture"] == 'cfg.json has architecture = "transcoder"'
    assert why["output hook"] == 'cfg.json has hook_name_out = "blocks.3.hook_mlp_out"'
    assert why["BOS"] == "cfg.json has no prepend_bos, and since version 6 that is open"
