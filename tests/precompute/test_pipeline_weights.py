"""Logit lens, neighbours and quality in the atlas equal numpy over the files' own tensors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoTokenizer

from app.precompute.events.events import sampled_contexts

D_SAE, D_VOCAB = 24, 300
EACH_SAE = pytest.mark.parametrize("which", [0, 1], ids=["resid", "mlp"])
MODULES = {0: "gpt_neox.layers.0", 1: "gpt_neox.layers.1.mlp"}


@pytest.fixture(scope="module")
def weights(model_folder: Callable[[str], Path]) -> dict[str, np.ndarray]:
    """The model's tensors, float64."""
    found = load_file(model_folder("neox") / "model.safetensors")
    return {name: value.astype(np.float64) for name, value in found.items()}


@pytest.fixture(scope="module")
def kept(weights: dict[str, np.ndarray], model_folder: Callable[[str], Path]) -> np.ndarray:
    """Tokens that survive id -> text -> id and whose unembedding is no outlier."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder("neox"))
    producible = np.zeros(D_VOCAB, bool)
    for i in range(len(tokenizer)):
        producible[i] = tokenizer(tokenizer.decode([i]))["input_ids"] == [i]
    norms = np.linalg.norm(weights["embed_out.weight"], axis=1)
    middle = np.median(norms[producible])
    mad = np.median(np.abs(norms[producible] - middle))
    return producible & (norms <= middle + 6 * mad)


@EACH_SAE
def test_logit_lens(
    judged: Any, which: int, weights: dict[str, np.ndarray], kept: np.ndarray
) -> None:
    """Both hooks write to the residual stream directly; GPT-NeoX ends in a LayerNorm."""
    sae = judged.saes[which]
    W_dec, W_U = sae.tensors["W_dec"], weights["embed_out.weight"].T
    raw = W_dec @ W_U
    centred = W_dec - W_dec.mean(axis=1, keepdims=True)
    logits = (centred * weights["gpt_neox.final_layer_norm.weight"]) @ W_U[:, kept]
    mean = logits.mean(axis=1)
    adjusted = logits - mean[:, None]
    ids = np.flatnonzero(kept)
    record = sae.stored.record
    assert record.linear_path == "directly"
    left_out = record.n_tokens_unproducible + record.n_tokens_outlier
    assert left_out == D_VOCAB - kept.sum()
    for index in range(D_SAE):
        found = judged.panels(which, index).logit_lens
        row = adjusted[index]
        check_ends(found.raw_positive_ids, found.raw_positive, raw[index], np.arange(D_VOCAB), -1)
        check_ends(found.raw_negative_ids, found.raw_negative, raw[index], np.arange(D_VOCAB), 1)
        check_ends(found.adjusted_positive_ids, found.adjusted_positive, row, ids, -1)
        check_ends(found.adjusted_negative_ids, found.adjusted_negative, row, ids, 1)
        std = row.std()
        moments = [mean[index], std, (row**3).mean() / std**3, (row**4).mean() / std**4]
        stored = [found.mean, found.std, found.skewness, found.kurtosis]
        np.testing.assert_allclose(stored, moments, rtol=1e-4, atol=1e-5)
        edges = np.linspace(row.min(), row.max(), 51)
        np.testing.assert_allclose(found.histogram_edges, edges, rtol=1e-4, atol=1e-5)
        # A value within rounding of an edge may fall on its other side.
        counts = np.histogram(row, edges)[0]
        assert np.abs(np.cumsum(counts) - np.cumsum(found.histogram_counts)).max() <= 1
        feature = judged.feature(which, index)
        assert feature.max_logit == pytest.approx(row.max(), rel=1e-4)
    for mode, sign in (("promotes", -1), ("suppresses", 1)):
        rankings = judged.rankings(which, mode)
        assert sorted(rankings) == ids.tolist()
        for column, token_id in enumerate(ids.tolist()):
            expected = np.argsort(sign * adjusted[:, column], kind="stable")
            assert rankings[token_id].feature_index.tolist() == expected.tolist()
            np.testing.assert_allclose(
                rankings[token_id].score, adjusted[expected, column], rtol=1e-4, atol=1e-5
            )


def check_ends(
    ids: np.ndarray, logits: np.ndarray, row: np.ndarray, names: np.ndarray, sign: int
) -> None:
    order = np.argsort(sign * row, kind="stable")[:10]
    np.testing.assert_allclose(logits, row[order], rtol=1e-4, atol=1e-5)
    assert ids.tolist() == names[order].tolist()


@EACH_SAE
def test_neighbours_and_norms(judged: Any, which: int) -> None:
    sae = judged.saes[which]
    W_enc, W_dec = sae.tensors["W_enc"], sae.tensors["W_dec"]
    norms = np.linalg.norm(W_dec, axis=1)
    cosine = (W_dec / norms[:, None]) @ (W_dec / norms[:, None]).T
    np.fill_diagonal(cosine, -np.inf)
    both = (W_enc * W_dec.T).sum(axis=0) / norms / np.linalg.norm(W_enc, axis=0)
    for index in range(D_SAE):
        record = judged.feature(which, index)
        assert record.decoder_norm == pytest.approx(norms[index], rel=1e-5)
        assert record.encoder_decoder_cosine == pytest.approx(both[index], rel=1e-4)
        found = judged.panels(which, index).neighbors
        nearest = np.sort(cosine[index])[::-1][:10]
        np.testing.assert_allclose(found.cosine_similarity, nearest, atol=1e-5)
        chosen = cosine[index, found.feature_index]
        np.testing.assert_allclose(chosen, nearest, atol=1e-5)
        assert len(set(found.feature_index.tolist())) == 10


@EACH_SAE
def test_reconstruction(judged: Any, which: int) -> None:
    sae = judged.saes[which]
    quality = sae.stored.record.quality
    x, acts = sae.x[judged.counted], sae.acts[judged.counted]
    x_hat = acts @ sae.tensors["W_dec"] + sae.tensors["b_dec"]
    error = ((x - x_hat) ** 2).sum(axis=1)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(x_hat, axis=1)
    assert quality.l0 == pytest.approx((acts > 0).sum(axis=1).mean())
    assert quality.mse == pytest.approx(error.mean() / 16, rel=1e-4)
    total = ((x - x.mean(axis=0)) ** 2).sum()
    assert quality.explained_variance == pytest.approx(1 - error.sum() / total, rel=1e-4)
    assert quality.cosine == pytest.approx(((x * x_hat).sum(axis=1) / norms).mean(), rel=1e-4)
    gamma = (x_hat**2).sum() / (x * x_hat).sum()
    assert quality.gamma == pytest.approx(gamma, rel=1e-4)
    density = (acts > 0).mean(axis=0)
    assert quality.n_dead == (density == 0).sum() >= 1
    assert quality.n_dense_1 == (density > 0.01).sum()
    assert quality.n_dense_10 == (density > 0.1).sum()


@EACH_SAE
def test_cross_entropy(judged: Any, which: int) -> None:
    """Twelve contexts one by one, the plain model hooked by hand."""
    sae = judged.saes[which]
    mean = sae.x[judged.counted].mean(axis=0)
    sums = dict.fromkeys(["clean", "spliced", "zero", "mean", "kl"], 0.0)
    chosen = np.flatnonzero(sampled_contexts(len(judged.tokens), 12, 0, stream=1))
    n_tokens = 0
    for context in chosen.tolist():
        counted = judged.counted[context]
        x_hat = sae.acts[context] @ sae.tensors["W_dec"] + sae.tensors["b_dec"]
        fills = {"spliced": x_hat, "zero": np.zeros_like(x_hat), "mean": mean + 0 * x_hat}
        runs = {"clean": log_probs(judged, context, MODULES[which], None, counted)}
        for kind, fill in fills.items():
            runs[kind] = log_probs(judged, context, MODULES[which], fill, counted)
        where = np.flatnonzero(counted)
        for kind, run in runs.items():
            sums[kind] -= run[where - 1, judged.tokens[context, where]].sum()
        clean, spliced = runs["clean"][where - 1], runs["spliced"][where - 1]
        sums["kl"] += (np.exp(clean) * (clean - spliced)).sum()
        n_tokens += where.size
    quality = sae.stored.record.quality
    assert (quality.n_ce_contexts, quality.n_ce_tokens) == (12, n_tokens)
    found = {
        "clean": quality.ce_clean,
        "spliced": quality.ce_spliced,
        "zero": quality.ce_zero_ablated,
        "mean": quality.ce_mean_ablated,
        "kl": quality.kl,
    }
    expected = {kind: total / n_tokens for kind, total in sums.items()}
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert quality.delta_ce == pytest.approx(
        expected["spliced"] - expected["clean"], rel=1e-3, abs=1e-5
    )
    for recovered, kind in (
        (quality.ce_recovered_mean, "mean"),
        (quality.ce_recovered_zero, "zero"),
    ):
        lost = expected[kind] - expected["clean"]
        kept = (expected[kind] - expected["spliced"]) / lost
        assert recovered == pytest.approx(kept, rel=1e-2, abs=1e-3)


def log_probs(
    judged: Any, context: int, module: str, fill: np.ndarray | None, counted: np.ndarray
) -> np.ndarray:
    """[pos, d_vocab] with the module's output replaced at counted positions."""

    def change(_module: Any, _args: Any, output: Any) -> Any:
        if fill is None:
            return output
        value = output[0] if isinstance(output, tuple) else output
        value = value.clone()
        value[0, torch.from_numpy(counted)] = torch.from_numpy(fill[counted]).float()
        return (value, *output[1:]) if isinstance(output, tuple) else value

    handle = judged.plain.get_submodule(module).register_forward_hook(change)
    tokens = torch.from_numpy(judged.tokens[context].astype(np.int64))[None]
    with torch.no_grad():
        logits = judged.plain(input_ids=tokens).logits[0]
    handle.remove()
    return logits.double().log_softmax(dim=-1).numpy()


def test_the_scale_of_the_final_norm(judged: Any) -> None:
    """Over the first 32 contexts: the standard deviation over d_model, as LayerNorm has it."""
    scales = []
    for context in range(32):
        tokens = torch.from_numpy(judged.tokens[context].astype(np.int64))[None]
        with torch.no_grad():
            residual: list[Any] = []
            handle = judged.plain.gpt_neox.final_layer_norm.register_forward_pre_hook(
                lambda module, args, residual=residual: residual.append(args[0][0])
            )
            judged.plain(input_ids=tokens)
            handle.remove()
        scales.append(residual[0].double().std(dim=-1, unbiased=False)[judged.counted[context]])
    for sae in judged.saes:
        expected = float(torch.cat(scales).mean())
        assert sae.stored.record.mean_final_norm_scale == pytest.approx(expected, rel=1e-4)


def test_what_was_run_is_stored(judged: Any) -> None:
    for sae, name, hook in zip(
        judged.saes,
        ("resid", "mlp"),
        ("blocks.0.hook_resid_post", "blocks.1.hook_mlp_out"),
        strict=True,
    ):
        record, corpus = sae.stored.record, sae.stored.corpus
        assert (record.sae, record.hook_name, record.sae_format) == (name, hook, "saelens")
        assert (record.d_in, record.d_sae) == (16, 24)
        assert (corpus.context_size, corpus.packing, corpus.prepend_bos) == (20, "packed", True)
        assert (corpus.name, corpus.source, corpus.n_documents) == ("texts", "texts", 5)
        assert record.ablation["window"] == 4
        assert record.recipe["batch_contexts"] == 7
        assert record.recipe["tile_features"] == 24  # narrower than any tile that is tried
        assert record.recipe["model_run_through"] == "the plain modules with sdpa attention"
        assert record.recipe["seed"] == 0
        text = repr(record) + repr(corpus)
        assert str(judged.settings.output.parent) not in text
        assert str(Path(judged.settings.corpus).parent) not in text
        assert record.recipe["command"].startswith("feature-atlas precompute --model neox")
        assert "--name tiny/resid --name tiny/mlp" in record.recipe["command"]
    assert judged.saes[0].stored.model.name == "tiny"
    assert judged.saes[0].stored.model.n_ctx == 32
