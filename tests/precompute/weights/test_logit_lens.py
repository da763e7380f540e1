"""The logit lens equals its definition written out in numpy, and the model's own logits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from app.errors import AtlasError
from app.precompute.model.language_model import LanguageModel
from app.precompute.model.norms import read_norm
from app.precompute.model.vocabulary import vocabulary
from app.precompute.weights.lens_ground import lens_ground
from app.precompute.weights.logit_lens import (
    LogitLens,
    histogram,
    norm_outliers,
    strongest,
)

Models = Callable[[str], LanguageModel]
LAST = "blocks.1.hook_resid_post"


def numpy_of(tensor: Any) -> np.ndarray:
    return tensor.detach().double().numpy()


def directions(width: int, n: int = 7) -> Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(2))


def all_ids(model: LanguageModel) -> np.ndarray:
    return np.ones(model.d_vocab, dtype=bool)


def parts_of(architecture: str, model: LanguageModel) -> dict[str, Any]:
    """What the definition needs, fetched from each architecture by hand."""
    plain: Any = model.plain
    if architecture == "neox":
        layer = plain.gpt_neox.layers[1]
        return {
            "W_U": numpy_of(plain.lm_head.weight).T,
            "W_O": numpy_of(layer.attention.dense.weight).T,
            "W_out": numpy_of(layer.mlp.dense_4h_to_h.weight).T,
            "gain": numpy_of(plain.gpt_neox.final_layer_norm.weight),
            "centres": True,
        }
    if architecture == "gpt2":
        layer = plain.transformer.h[1]  # Conv1D: weights stored [in, out]
        return {
            "W_U": numpy_of(plain.transformer.wte.weight).T,
            "W_O": numpy_of(layer.attn.c_proj.weight),
            "W_out": numpy_of(layer.mlp.c_proj.weight),
            "gain": numpy_of(plain.transformer.ln_f.weight),
            "centres": True,
        }
    layer = plain.model.layers[1]
    parts = {
        "W_U": numpy_of(plain.lm_head.weight).T,
        "W_O": numpy_of(layer.self_attn.o_proj.weight).T,
        "W_out": numpy_of(layer.mlp.down_proj.weight).T,
        "gain": numpy_of(plain.model.norm.weight),
        "centres": False,
    }
    if architecture == "gemma2":
        parts["gain"] = 1 + parts["gain"]
        parts["post_attn"] = 1 + numpy_of(layer.post_attention_layernorm.weight)
        parts["post_mlp"] = 1 + numpy_of(layer.post_feedforward_layernorm.weight)
    return parts


@pytest.mark.parametrize("architecture", ["neox", "gpt2", "llama", "gemma2"])
@pytest.mark.parametrize(
    ("hook", "matrix", "post"),
    [
        ("hook_resid_pre", None, None),
        ("hook_resid_post", None, None),
        ("hook_attn_out", None, None),  # behind the post-norm where there is one
        ("hook_mlp_out", None, None),
        ("attn.hook_z", "W_O", "post_attn"),
        ("mlp.hook_post", "W_out", "post_mlp"),
    ],
)
def test_equals_the_definition(
    tiny_model: Models, architecture: str, hook: str, matrix: str | None, post: str | None
) -> None:
    model = tiny_model(architecture)
    parts = parts_of(architecture, model)
    hook_name = f"blocks.1.{hook}"
    producible = vocabulary(model.tokenizer, model.d_vocab).producible
    lens = LogitLens(lens_ground(model, hook_name), producible)
    W_dec = directions(model.hook_width(hook_name))

    written = numpy_of(W_dec) if matrix is None else numpy_of(W_dec) @ parts[matrix]
    np.testing.assert_allclose(lens.raw_block(W_dec), written @ parts["W_U"], rtol=1e-3, atol=1e-4)

    written = written * parts.get(post or "", 1.0)
    if parts["centres"]:
        written = written - written.mean(axis=1, keepdims=True)
    expected = (written * parts["gain"]) @ parts["W_U"]
    norms = np.linalg.norm(parts["W_U"], axis=0)
    mad = np.median(np.abs(norms[producible] - np.median(norms[producible])))
    kept = producible & (norms <= np.median(norms[producible]) + 6 * mad)
    assert (lens.kept == kept).all()
    mean = expected[:, kept].mean(axis=1, keepdims=True)
    found = lens.block(W_dec).numpy()
    np.testing.assert_allclose(found[:, kept], (expected - mean)[:, kept], rtol=1e-3, atol=1e-4)
    assert np.isnan(found[:, ~kept]).all()
    np.testing.assert_allclose(lens.summary(W_dec).mean, mean[:, 0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("architecture", ["neox", "gpt2", "llama", "gemma2"])
def test_equals_the_models_own_logits_at_a_held_norm_scale(
    tiny_model: Models, architecture: str
) -> None:
    """(logits − bias · W_U) · scale is linear in the residual stream, and the lens is its slope."""
    model = tiny_model(architecture)
    parts = parts_of(architecture, model)
    tokens = torch.arange(1, 9)[None]
    final = model.module("ln_final")
    assert final is not None
    norm = read_norm(final, model.d_model)
    assert norm is not None
    direction = directions(model.d_model, n=1)[0]
    bias = numpy_of(getattr(final, "bias", None) if parts["centres"] else torch.zeros(16))

    def unscaled(amount: float) -> np.ndarray:
        x = model.activations(tokens, [LAST])[LAST] + amount * direction
        logits = numpy_of(model.logits(tokens, {LAST: lambda old: old + amount * direction}))
        if architecture == "gemma2":  # undo the soft cap
            cap = 30.0
            logits = cap * np.arctanh(logits / cap)
        return (logits - bias @ parts["W_U"]) * numpy_of(norm.scale(x))[..., None]

    slope = (unscaled(0.5) - unscaled(0.0)) / 0.5
    slope -= slope.mean(axis=-1, keepdims=True)
    expected = LogitLens(lens_ground(model, LAST), all_ids(model))
    kept = expected.kept
    lens = expected.block(direction[None])[0].numpy()
    centred = slope[..., kept] - slope[..., kept].mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(centred, np.broadcast_to(lens[kept], centred.shape), atol=2e-2)


def test_summary_is_of_the_remaining_vocabulary(tiny_model: Models) -> None:
    model = tiny_model("neox")
    producible = vocabulary(model.tokenizer, model.d_vocab).producible
    assert not producible.all()
    lens = LogitLens(lens_ground(model, LAST), producible)
    W_dec = directions(16)
    summary = lens.summary(W_dec)
    logits = lens.block(W_dec).double().numpy()[:, lens.kept]
    std = logits.std(axis=1)
    np.testing.assert_allclose(summary.std, std, rtol=1e-5)
    np.testing.assert_allclose(summary.skewness, (logits**3).mean(axis=1) / std**3, atol=1e-5)
    np.testing.assert_allclose(summary.kurtosis, (logits**4).mean(axis=1) / std**4, rtol=1e-5)
    for row in range(len(W_dec)):
        counts, _ = np.histogram(logits[row], bins=50)
        assert summary.histogram_counts[row].sum() == lens.kept.sum() == len(logits[row])
        assert np.abs(summary.histogram_counts[row] - counts).sum() <= 2  # rounding at an edge
        full = lens.block(W_dec)[row].double().numpy()
        full[~lens.kept] = -np.inf
        best = np.argsort(-full, kind="stable")[:10]
        assert summary.adjusted.promoted_ids[row].tolist() == best.tolist()
        np.testing.assert_allclose(summary.adjusted.promoted[row], full[best], atol=1e-5)
        full[~lens.kept] = np.inf
        worst = np.argsort(full, kind="stable")[:10]
        assert summary.adjusted.suppressed_ids[row].tolist() == worst.tolist()
        raw = lens.raw_block(W_dec)[row].numpy()
        assert summary.raw.promoted_ids[row].tolist() == np.argsort(-raw)[:10].tolist()


def test_left_out_tokens_are_two_lists(tiny_model: Models) -> None:
    model = tiny_model("llama")
    producible = all_ids(model)
    producible[[7, 9]] = False
    with torch.no_grad():
        model.W_U[:, 5] *= 50
        try:
            lens = LogitLens(lens_ground(model, LAST), producible)
        finally:
            model.W_U[:, 5] /= 50
    assert lens.unproducible_ids.tolist() == [7, 9]
    assert 5 in lens.norm_outlier_ids
    assert lens.kept.sum() == model.d_vocab - 2 - len(lens.norm_outlier_ids)
    with pytest.raises(AtlasError, match="No token of"):
        LogitLens(lens_ground(model, LAST), ~all_ids(model))


def test_norm_outliers_by_hand() -> None:
    norms = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 9.0, 9.1, 100.0])
    among = np.array([True] * 7 + [False])
    # Median 4, deviations 3 2 1 0 1 5 5.1, their median 2: everything up to 16 stays.
    assert not norm_outliers(norms, among).any()
    norms[6] = 16.1
    assert norm_outliers(norms, among).tolist() == [False] * 6 + [True, False]
    assert not norm_outliers(np.append(np.ones(9), 5.0), np.ones(10, dtype=bool)).any()


def test_ties_go_to_the_lower_token_id() -> None:
    logits = torch.tensor([[1.0, 3.0, 1.0, 3.0, *[1.0] * 20, -2.0, -2.0]])
    found = strongest(logits, torch.arange(26) * 10)
    assert found.promoted_ids[0].tolist() == [10, 30, 0, 20, 40, 50, 60, 70, 80, 90]
    assert found.suppressed_ids[0].tolist() == [240, 250, 0, 20, 40, 50, 60, 70, 80, 90]
    assert found.suppressed[0].tolist() == [-2.0, -2.0, *[1.0] * 8]


def test_histogram_edges_hold_the_ends() -> None:
    values = torch.tensor([[0.0, 1.0, 49.0, 49.5, 50.0], [3.0] * 5]).double()
    edges, counts = histogram(values)
    assert edges[0].tolist() == pytest.approx(list(range(51)))
    assert counts[0].tolist() == [1, 1, *[0] * 47, 3]
    assert counts[1].sum() == 5


@pytest.mark.parametrize("hook_name", ["blocks.0.mlp.hook_in", "blocks.0.mlp.hook_pre"])
def test_no_linear_path_is_a_sentence(tiny_model: Models, hook_name: str) -> None:
    model = tiny_model("neox")
    lens = LogitLens(lens_ground(model, hook_name), all_ids(model))
    assert lens.linear_path is None
    assert lens.no_path_reason is not None and hook_name in lens.no_path_reason
    with pytest.raises(ValueError, match="no linear path"):
        lens.summary(directions(model.hook_width(hook_name)))


@pytest.mark.parametrize("architecture", ["neox", "gpt2", "gemma2", "bloom"])
def test_embeddings_are_added_to_the_stream(tiny_model: Models, architecture: str) -> None:
    model = tiny_model(architecture)
    lens = LogitLens(lens_ground(model, "hook_embed"), all_ids(model))
    assert lens.linear_path == "directly"
    rows = directions(model.d_model)
    assert torch.allclose(lens.raw_block(rows), rows @ model.W_U)


def test_an_embedding_that_is_scaled_or_normed_is_seen(
    tiny_model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("neox")
    logits = model.logits

    def beneath(change):  # what stands between the embedding and the first block
        def run(tokens, changes):
            keep = changes["blocks.0.hook_resid_pre"]
            return logits(tokens, {**changes, "blocks.0.hook_resid_pre": lambda x: keep(change(x))})

        return run

    monkeypatch.setattr(model, "logits", beneath(lambda x: 4 * x))
    scaled = LogitLens(lens_ground(model, "hook_embed"), all_ids(model))
    assert scaled.linear_path == "directly, times 4"
    rows = directions(model.d_model)
    assert torch.allclose(scaled.raw_block(rows), 4 * rows @ model.W_U)
    monkeypatch.setattr(model, "logits", beneath(lambda x: x / x.norm(dim=-1, keepdim=True)))
    normed = LogitLens(lens_ground(model, "hook_embed"), all_ids(model))
    assert normed.linear_path is None
    assert normed.no_path_reason is not None and "a norm or a matrix" in normed.no_path_reason


def test_paths_are_named(tiny_model: Models) -> None:
    model = tiny_model("gemma2")
    named = {
        "blocks.0.hook_mlp_out": "directly",
        "blocks.0.attn.hook_z": "through W_O and the block's post-norm",
        "blocks.0.mlp.hook_post": "through W_out and the block's post-norm",
    }
    for hook_name, path in named.items():
        assert LogitLens(lens_ground(model, hook_name), all_ids(model)).linear_path == path


def test_what_is_no_norm_is_not_taken_for_one() -> None:
    torch.manual_seed(0)
    assert read_norm(torch.nn.Linear(16, 16), 16) is None
    assert read_norm(torch.nn.Tanh(), 16) is None
    norm = read_norm(torch.nn.LayerNorm(16, elementwise_affine=False), 16)
    assert norm is not None and norm.centres
    torch.testing.assert_close(norm.gain, torch.ones(16), rtol=1e-4, atol=1e-4)
