"""Every format from files on disk to a feature's page, with `--sae PATH` and nothing else said.

Each writer below writes one dictionary as its format has it and gives its encoder in numpy, from
the format's definition; activations come from the plain Hugging Face module. The page's numbers
must be those of the dense encoding of the whole corpus.
"""

import json
import math
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from safetensors.torch import save_file

from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.registry import STUDIES
from app.settings import Settings
from app.web.factory import create_app

Array = NDArray[np.float64]
Encoder = Callable[[Array], Array]
RESID, MLP = "blocks.0.hook_resid_post", "blocks.1.hook_mlp_out"
D_IN, D_SAE, K = 16, 24, 4


@dataclass(frozen=True)
class Parts:
    """Numbers to write: rows are features, and nothing is zero."""

    encoder: Array
    b_enc: Array
    decoder: Array
    b_dec: Array
    threshold: Array

    def pre(self, x: Array, pre_bias: bool = False) -> Array:
        return (x - self.b_dec * pre_bias) @ self.encoder.T + self.b_enc


@pytest.fixture
def parts() -> Parts:
    rng = np.random.default_rng(5)
    drawn = (
        rng.normal(size=(D_SAE, D_IN)) * 0.4,
        rng.normal(size=D_SAE) * 0.2,
        rng.normal(size=(D_SAE, D_IN)),
        rng.normal(size=D_IN) * 0.1,
        np.abs(rng.normal(size=D_SAE)) + 0.2,
    )
    return Parts(*(value.astype(np.float32).astype(np.float64) for value in drawn))


def tensor(value: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(value)).float()


def above(pre: Array, threshold: Array | float) -> Array:
    return np.where(pre > threshold, np.maximum(pre, 0), 0)


def top_k(pre: Array) -> Array:
    kept = np.argsort(-pre, axis=1, kind="stable")[:, :K]
    mask = np.zeros_like(pre)
    np.put_along_axis(mask, kept, 1, axis=1)
    return np.maximum(pre, 0) * mask


def layer_normed(x: Array) -> Array:
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / (x.std(axis=1, ddof=1, keepdims=True) + 1e-5)


def saelens(folder: Path, p: Parts, architecture: str, **settings: Any) -> Path:
    metadata = {"hook_name": RESID, "prepend_bos": True, "context_size": 20}
    metadata |= settings.pop("metadata", {})
    config = {
        "architecture": architecture,
        "d_in": D_IN,
        "d_sae": D_SAE,
        "apply_b_dec_to_input": True,
        "metadata": metadata,
    }
    folder.mkdir()
    (folder / "cfg.json").write_text(json.dumps(config | settings))
    tensors = {
        "W_enc": tensor(p.encoder.T),
        "b_enc": tensor(p.b_enc),
        "W_dec": tensor(p.decoder),
        "b_dec": tensor(p.b_dec),
    }
    if "jumprelu" in architecture:
        tensors["threshold"] = tensor(p.threshold)
    if "skip" in architecture:
        tensors["W_skip"] = tensor(np.eye(D_IN) * 0.3)
    save_file(tensors, folder / "sae_weights.safetensors")
    return folder


def saelens_top_k(folder: Path, p: Parts) -> tuple[Path, Encoder]:
    settings = {"k": K, "normalize_activations": "layer_norm"}
    path = saelens(folder / "sae", p, "topk", **settings)
    return path, lambda x: top_k(p.pre(layer_normed(x), pre_bias=True))


def saelens_transcoder(folder: Path, p: Parts) -> tuple[Path, Encoder]:
    path = saelens(
        folder / "sae",
        p,
        "jumprelu_skip_transcoder",
        apply_b_dec_to_input=False,
        metadata={"hook_name_out": MLP},
    )
    return path, lambda x: above(p.pre(x), p.threshold)


def library(folder: Path, p: Parts) -> tuple[Path, Encoder]:
    """An AutoEncoder of 2023, without a config: its decoder is brought to unit norm."""
    path = folder / "pythia-70m-deduped" / "resid_out_layer0" / "10_24"
    path.mkdir(parents=True)
    state = {
        "bias": tensor(p.b_dec),
        "encoder.weight": tensor(p.encoder),
        "encoder.bias": tensor(p.b_enc),
        "decoder.weight": tensor(p.decoder.T),
    }
    torch.save(state, path / "ae.pt")
    norm = np.linalg.norm(p.decoder, axis=1)
    return path, lambda x: np.maximum(p.pre(x, pre_bias=True), 0) * norm


def library_batch(folder: Path, p: Parts) -> tuple[Path, Encoder]:
    path = folder / "trainer_0"
    path.mkdir()
    state = {
        "b_dec": tensor(p.b_dec),
        "encoder.weight": tensor(p.encoder),
        "encoder.bias": tensor(p.b_enc),
        "decoder.weight": tensor(p.decoder.T),
        "k": torch.tensor(K),
        "threshold": torch.tensor(0.5),
    }
    torch.save(state, path / "ae.pt")
    trainer = {"dict_class": "BatchTopKSAE", "layer": 0, "submodule_name": "resid_post_layer_0"}
    (path / "config.json").write_text(json.dumps({"trainer": trainer}))
    return path, lambda x: above(p.pre(x, pre_bias=True), 0.5)


def sparsify(folder: Path, p: Parts, module: str, **settings: Any) -> Path:
    path = folder / module
    path.mkdir()
    config = {"num_latents": D_SAE, "k": K, "d_in": D_IN, "expansion_factor": 32}
    (path / "cfg.json").write_text(json.dumps(config | settings))
    tensors = {
        "encoder.weight": tensor(p.encoder),
        "encoder.bias": tensor(p.b_enc),
        "W_dec": tensor(p.decoder),
        "b_dec": tensor(p.b_dec),
    }
    if settings.get("skip_connection"):
        tensors["W_skip"] = tensor(np.eye(D_IN) * 0.3)
    save_file(tensors, path / "sae.safetensors")
    return path


def sparsify_top_k(folder: Path, p: Parts) -> tuple[Path, Encoder]:
    return sparsify(folder, p, "layers.0"), lambda x: top_k(p.pre(x, pre_bias=True))


def sparsify_group_max(folder: Path, p: Parts) -> tuple[Path, Encoder]:
    def encode(x: Array) -> Array:
        groups = np.maximum(p.pre(x, pre_bias=True), 0).reshape(len(x), K, D_SAE // K)
        best = groups.argmax(axis=2)[..., None]
        kept = np.zeros_like(groups)
        np.put_along_axis(kept, best, np.take_along_axis(groups, best, 2), 2)
        return kept.reshape(len(x), D_SAE)

    return sparsify(folder, p, "layers.0", activation="groupmax"), encode


def sparsify_transcoder(folder: Path, p: Parts) -> tuple[Path, Encoder]:
    """Of the second layer as a whole, which reads what the first one writes."""
    path = sparsify(folder, p, "layers.1", transcode=True, skip_connection=True)
    return path, lambda x: top_k(p.pre(x))


def openai(folder: Path, p: Parts) -> tuple[Path, Encoder]:
    path = folder / "resid_post_mlp_v5_32k" / "autoencoders" / "0.pt"
    path.parent.mkdir(parents=True)
    state = {
        "pre_bias": tensor(p.b_dec),
        "encoder.weight": tensor(p.encoder),
        "latent_bias": tensor(p.b_enc),
        "decoder.weight": tensor(p.decoder.T),
        "stats_last_nonzero": torch.zeros(D_SAE, dtype=torch.long),
        "activation": "TopK",
        "activation_state_dict": {"k": K, "postact_fn": "ReLU"},
    }
    torch.save(state, path)
    return path, lambda x: top_k(p.pre(layer_normed(x), pre_bias=True))


def gemma_scope_1(folder: Path, p: Parts) -> tuple[Path, Encoder]:
    path = folder / "gemma-scope-2b-pt-res" / "layer_0" / "width_16k" / "average_l0_71"
    path.mkdir(parents=True)
    arrays = {
        "W_enc": p.encoder.T,
        "b_enc": p.b_enc,
        "W_dec": p.decoder,
        "b_dec": p.b_dec,
        "threshold": p.threshold,
    }
    kept = {name: value.astype(np.float32) for name, value in arrays.items()}
    np.savez(path / "params.npz", **kept)  # pyright: ignore[reportArgumentType]
    return path, lambda x: above(p.pre(x), p.threshold)


def gemma_scope_2(folder: Path, p: Parts) -> tuple[Path, Encoder]:
    """A skip transcoder whose config names both modules."""
    path = folder / "layer_0_width_16k_l0_big_affine"
    path.mkdir()
    tensors = {
        "w_enc": tensor(p.encoder.T),
        "b_enc": tensor(p.b_enc),
        "w_dec": tensor(p.decoder),
        "b_dec": tensor(p.b_dec),
        "threshold": tensor(p.threshold),
        "affine_skip_connection": tensor(np.eye(D_IN) * 0.3),
    }
    save_file(tensors, path / "params.safetensors")
    config = {
        "architecture": "jump_relu",
        "model_name": "gemma-v3-1b-pt",
        "hf_hook_point_in": "model.layers.0.output",
        "hf_hook_point_out": "model.layers.1.post_feedforward_layernorm.output",
    }
    (path / "config.json").write_text(json.dumps(config))
    return path, lambda x: above(p.pre(x), p.threshold)


def llama_scope(folder: Path, p: Parts) -> tuple[Path, Encoder]:
    path = folder / "L0R-8x"
    (path / "checkpoints").mkdir(parents=True)
    config = {
        "hook_point_in": RESID,
        "hook_point_out": RESID,
        "d_model": D_IN,
        "d_sae": D_SAE,
        "act_fn": "jumprelu",
        "jump_relu_threshold": 0.3,
        "norm_activation": "dataset-wise",
        "dataset_average_activation_norm": {"in": 6.0, "out": 6.0},
    }
    (path / "hyperparams.json").write_text(json.dumps(config))
    tensors = {
        "encoder.weight": tensor(p.encoder),
        "encoder.bias": tensor(p.b_enc),
        "decoder.weight": tensor(p.decoder.T),
        "decoder.bias": tensor(p.b_dec),
    }
    save_file(tensors, path / "checkpoints" / "final.safetensors")
    scale = math.sqrt(D_IN) / 6.0
    return path, lambda x: above(p.pre(x * scale), 0.3 * scale)


def sparse_coding(folder: Path, p: Parts) -> tuple[Path, Encoder]:
    """The second of two, pickled as objects of the library's class."""
    module = types.ModuleType("autoencoders.learned_dict")
    made: Any = type("TiedSAE", (), {"__module__": module.__name__})
    module.TiedSAE = made  # type: ignore[attr-defined]
    sys.modules |= {"autoencoders": types.ModuleType("autoencoders"), module.__name__: module}
    path = folder / "tied_residual_l0_r2" / "learned_dicts.pt"
    path.parent.mkdir()
    entries = []
    for number in range(2):
        entry = made()
        entry.encoder, entry.encoder_bias = tensor(p.encoder + 1 - number), tensor(p.b_enc)
        entry.norm_encoder, entry.center_trans = True, tensor(p.b_dec)
        entries.append((entry, {"l1_alpha": 0.001 * number}))
    torch.save(entries, path)
    del sys.modules["autoencoders"], sys.modules[module.__name__]
    unit = p.encoder / np.linalg.norm(p.encoder, axis=1, keepdims=True)
    named = path.with_name("learned_dicts.pt#1")
    return named, lambda x: np.maximum((x - p.b_dec) @ unit.T + p.b_enc, 0)


WRITERS = (
    *(saelens_top_k, saelens_transcoder, library, library_batch),
    *(sparsify_top_k, sparsify_group_max, sparsify_transcoder, openai),
    *(gemma_scope_1, gemma_scope_2, llama_scope, sparse_coding),
)


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__)
def test_from_files_to_a_page(
    tmp_path: Path,
    small: Callable[..., PrecomputeSettings],
    read_hooks: Callable[[np.ndarray], dict[str, np.ndarray]],
    parts: Parts,
    quiet: Reporter,
    writer: Callable[[Path, Parts], tuple[Path, Encoder]],
) -> None:
    (tmp_path / "files").mkdir()
    path, encode = writer(tmp_path / "files", parts)
    settings = small(
        sae=[path], name=[], verify=False, skip=[study.listed.name for study in STUDIES]
    )
    run(settings, reporter=quiet)
    (corpus,) = (tmp_path / "atlas.events").glob("*/corpus-*")
    tokens, counted = (np.load(corpus / f"{name}.npy") for name in ("tokens", "counted"))
    x = np.stack([read_hooks(row)[RESID] for row in tokens])
    acts = encode(x.reshape(-1, D_IN)).reshape(*tokens.shape, D_SAE) * counted[..., None]
    atlas = open_atlas(settings.output)
    with atlas.connect() as connection:
        (sae,) = list_saes(connection)
        address = f"/{sae.address}"
    atlas.close()
    client = TestClient(
        create_app(Settings(atlas=settings.output, notebook="off")), base_url="http://127.0.0.1"
    )
    n_active = (acts > 0).sum(axis=(0, 1))
    # The busiest that isn't always on, and one of the rarer ones.
    order = [index for index in np.argsort(-n_active) if 0 < n_active[index] < counted.sum()]
    for index in (order[0], order[-1]):
        check_page(client, f"{address}/{index}", acts[..., index], int(counted.sum()))


def check_page(client: TestClient, page: str, acts: Array, n_tokens: int) -> None:
    assert client.get(page).status_code == 200
    twin = client.get(f"{page}.json").json()
    said = twin["statistics"]
    assert said["n_tokens"] == n_tokens
    assert said["n_active"] == (acts > 0).sum()
    assert said["n_contexts_active"] == (acts > 0).any(axis=1).sum()
    assert said["max_activation"] == pytest.approx(acts.max(), rel=1e-4)
    assert said["mean_activation"] == pytest.approx(acts[acts > 0].mean(), rel=1e-4)
    top = next(example for example in twin["examples"] if example["group"] == "top")
    assert top["activation"] == pytest.approx(acts.max(), rel=1e-3)
    context, position = np.unravel_index(acts.argmax(), acts.shape)
    assert top["position"] == position
    start = top["window_start"]
    expected = acts[context, start : start + len(top["activations"])]
    np.testing.assert_allclose(top["activations"], expected, rtol=2e-3, atol=2e-3)
