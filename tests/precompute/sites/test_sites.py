"""Every site through the whole job: what an atlas says of a dictionary there, by hand.

One test for each number, over all sites and both transcoders.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from app.db.examples import get_groups
from app.db.features import get_feature, get_panels
from app.db.studies import get_feature_study
from app.db.study_records.effects import FeatureEffects
from tests.precompute.sites.conftest import D_SAE, SITES, TRANSCODERS, Placed

Find = Callable[[str], Placed]
EVERY = pytest.mark.parametrize("name", [*SITES, *TRANSCODERS])
FEATURES = (0, 5, 11)


@EVERY
def test_the_record_names_both_hooks(placed: Find, name: str) -> None:
    found = placed(name)
    record = found.stored.record
    assert (record.hook_name, record.output_hook) == (found.reads, found.writes)
    assert (record.d_in, record.output_width) == (found.x.shape[-1], found.y.shape[-1])
    if name in TRANSCODERS:
        assert record.hook_name_out == found.writes
        assert record.place == f"{found.reads} → {found.writes}"
    else:
        assert (record.hook_name_out, record.d_out) == (None, None)
        assert record.place == found.reads


@EVERY
def test_firings_and_density(placed: Find, name: str) -> None:
    found = placed(name)
    expected = np.where(found.counted[..., None], found.acts, 0)
    np.testing.assert_allclose(found.dense, expected, rtol=2e-4, atol=2e-4 * expected.max())
    n_active = (found.dense > 0).sum(axis=(0, 1))
    n_tokens = found.counted.sum()
    assert n_active[-1] == 0
    assert (n_active[:-1] > 0).any()
    for index in range(D_SAE):
        feature = get_feature(found.connection, found.stored.sae_id, index)
        assert feature is not None
        assert feature.n_active == n_active[index]
        assert feature.density == pytest.approx(n_active[index] / n_tokens)


@EVERY
def test_quality_is_that_of_what_is_written(placed: Find, name: str) -> None:
    found = placed(name)
    y, y_hat = found.y[found.counted], found.y_hat[found.counted]
    squared = np.square(y - y_hat).sum()
    quality = found.stored.record.quality
    explained = 1 - squared / np.square(y - y.mean(axis=0)).sum()
    assert quality.explained_variance == pytest.approx(explained, abs=1e-5)
    assert quality.explained_variance is not None and quality.explained_variance > 0.05
    assert quality.mse == pytest.approx(squared / y.size, rel=1e-4)
    cosine = (y * y_hat).sum(axis=1)
    cosine /= np.linalg.norm(y, axis=1) * np.linalg.norm(y_hat, axis=1)
    assert quality.cosine == pytest.approx(cosine.mean(), abs=1e-5)
    assert quality.l0 == pytest.approx((found.dense > 0).sum() / found.counted.sum())


@EVERY
def test_cross_entropy_with_the_reconstruction_in_place(placed: Find, name: str) -> None:
    found = placed(name)
    mean = found.y[found.counted].mean(axis=0)
    sums: dict[str, list[np.ndarray]] = {"clean": [], "spliced": [], "zero": [], "mean": []}
    for context, tokens in enumerate(found.tokens):
        y, here = found.y[context], found.counted[context][:, None]
        values = {
            "clean": y,
            "spliced": found.y_hat[context],
            "zero": np.zeros_like(y),
            "mean": np.broadcast_to(mean, y.shape),
        }
        for way, value in values.items():
            log_probs = found.by_hand.log_probs(tokens, found.writes, np.where(here, value - y, 0))
            sums[way].append(found.ce(log_probs, context))
    quality = found.stored.record.quality
    ce = {way: float(np.concatenate(parts).mean()) for way, parts in sums.items()}
    assert quality.ce_clean == pytest.approx(ce["clean"], rel=1e-5)
    assert quality.ce_spliced == pytest.approx(ce["spliced"], rel=1e-4)
    assert quality.ce_zero_ablated == pytest.approx(ce["zero"], rel=1e-4)
    assert quality.ce_mean_ablated == pytest.approx(ce["mean"], rel=1e-4)
    assert quality.delta_ce == pytest.approx(ce["spliced"] - ce["clean"], abs=2e-4)
    assert quality.kl is not None and quality.kl > 1e-3


@EVERY
def test_logit_lens_is_a_product_of_matrices(placed: Find, name: str) -> None:
    found = placed(name)
    plain = found.by_hand.plain
    W_U = plain.lm_head.weight.detach().double().numpy().T
    rows = found.tensors["W_dec"]
    record = found.stored.record
    written = {
        "z": (plain.transformer.h[1].attn.c_proj, "through W_O"),
        "mlp-post": (plain.transformer.h[0].mlp.c_proj, "through W_out"),
        "skip": (plain.transformer.h[0].mlp.c_proj, "through W_out"),
    }
    if name in ("attn-in", "mlp-pre"):
        assert record.linear_path == ""
        assert get_panels(found.connection, found.stored.sae_id, 0).logit_lens is None
        return
    assert record.linear_path == written.get(name, (None, "directly"))[1]
    if name in written:
        rows = rows @ written[name][0].weight.detach().double().numpy()
    logits = rows @ W_U
    for index in FEATURES:
        lens = get_panels(found.connection, found.stored.sae_id, index).logit_lens
        assert lens is not None
        best = np.sort(logits[index])[::-1][: len(lens.raw_positive)]
        np.testing.assert_allclose(lens.raw_positive, best, rtol=1e-3, atol=1e-4)
        shown = logits[index][lens.raw_positive_ids]
        np.testing.assert_allclose(lens.raw_positive, shown, rtol=1e-3, atol=1e-4)


@EVERY
def test_a_feature_is_removed_where_it_writes(placed: Find, name: str) -> None:
    found = placed(name)
    n_checked = 0
    for index in FEATURES:
        effects = get_feature_study(found.connection, FeatureEffects, found.stored.sae_id, index)
        groups = get_groups(found.connection, found.stored.sae_id, index)
        if effects is None:
            continue
        for i in range(len(effects.weight)):
            group, rank = "quantile", int(effects.sample_rank[i])
            if rank < 0:
                group, rank = "top", int(effects.top_rank[i])
            examples = groups[group][0]
            context, position = int(examples.context_id[rank]), int(examples.position[rank])
            tokens, added = found.tokens[context], np.zeros_like(found.y[context])
            added[position] = -float(examples.activation[rank]) * found.tensors["W_dec"][index]
            clean = found.by_hand.log_probs(tokens)
            without = found.by_hand.log_probs(tokens, found.writes, added)
            kl = (np.exp(clean[position]) * (clean[position] - without[position])).sum()
            assert effects.kl[i] == pytest.approx(kl, rel=1e-2, abs=1e-5)
            for offset in range(min(effects.delta_ce.shape[1], len(tokens) - 1 - position)):
                target = position + 1 + offset
                if found.counted[context, target]:
                    expected = (clean - without)[target - 1, tokens[target]]
                    assert effects.delta_ce[i, offset] == pytest.approx(
                        expected, rel=2e-3, abs=3e-4
                    )
                    n_checked += 1
    assert n_checked > 10


@EVERY
def test_encoder_and_decoder_are_compared_where_they_share_a_space(placed: Find, name: str) -> None:
    found = placed(name)
    feature = get_feature(found.connection, found.stored.sae_id, 5)
    assert feature is not None
    if name in TRANSCODERS:
        assert feature.encoder_decoder_cosine is None
        return
    a, b = found.tensors["W_enc"][:, 5], found.tensors["W_dec"][5]
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert feature.encoder_decoder_cosine == pytest.approx(cosine, abs=1e-5)


def test_heads_lie_side_by_side_at_hook_z(sites: dict[str, Placed]) -> None:
    """The model's own product of attention weights and values, head after head."""
    found = sites["z"]
    plain = found.by_hand.plain
    seen: dict[str, torch.Tensor] = {}
    attention = plain.transformer.h[1].attn
    handle = attention.c_attn.register_forward_hook(
        lambda _module, _args, output: seen.update(qkv=output)
    )
    with torch.no_grad():
        plain(input_ids=torch.from_numpy(found.tokens[:1].astype(np.int64)), use_cache=False)
    handle.remove()
    q, k, v = (part[0].reshape(-1, 2, 8).transpose(0, 1) for part in seen["qkv"].split(16, dim=-1))
    scores = (q @ k.transpose(1, 2) / 8**0.5).masked_fill(
        torch.ones(len(found.tokens[0]), len(found.tokens[0])).triu(1).bool(), -torch.inf
    )
    z = (scores.softmax(dim=-1) @ v).transpose(0, 1).flatten(start_dim=1)
    np.testing.assert_allclose(found.x[0], z.numpy(), atol=1e-4)
