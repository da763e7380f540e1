"""What features below contribute, beside brute force in float64 through one whole block."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from app.precompute.model.frozen import frozen
from app.precompute.model.language_model import LanguageModel
from app.precompute.studies.connections.attribution import (
    Attributor,
    Batch,
    Contributions,
    held_hidden_pre,
)
from app.precompute.studies.connections.removal import (
    DRAWN,
    STRONGEST,
    choose_removals,
    remove,
    write_hook,
    written,
)
from app.precompute.target import Target
from app.sae.architectures import Gated
from app.sae.dictionary import Dictionary
from app.sae.normalisation import Normalisation

BELOW, ABOVE = "blocks.0.hook_resid_post", "blocks.1.hook_resid_post"
Dictionaries = Callable[..., Dictionary]


@pytest.fixture
def batch() -> Batch:
    rng = np.random.default_rng(0)
    counted = np.ones((5, 14), bool)
    counted[:, 0] = counted[2, 3] = False
    return Batch(
        tokens=rng.integers(1, 290, (5, 14)),
        counted=counted,
        position=np.array([13, 13, 9, 4, 1]),
        feature_index=np.array([3, 3, 0, 7, 23]),
    )


def target(dictionary: Dictionary, hook_name: str) -> Target:
    return Target(hook_name, dictionary, hook_name, dictionary.config.path)


@pytest.mark.parametrize("kind", ["relu", "jumprelu", "topk"])
@pytest.mark.parametrize("normalisation", ["none", "layer_norm", "constant_norm"])
def test_contributions_are_brute_forces(
    tiny_model: Callable[[str], LanguageModel],
    tiny_dictionary: Dictionaries,
    batch: Batch,
    kind: str,
    normalisation: str,
) -> None:
    model = tiny_model("neox")
    own = Normalisation(normalisation, centre=normalisation == "constant_norm")  # pyright: ignore
    upper = replace(tiny_dictionary(16, seed=5), normalisation=own)
    lower = replace(tiny_dictionary(16, 40, kind), normalisation=own)
    with frozen(model, [BELOW, ABOVE]) as held:
        assert held is not None
        attributor = Attributor(held, target(upper, ABOVE), [target(lower, BELOW)], 16)
        found = attributor.attribute(batch)
    parts = found.below[BELOW]
    tokens = torch.from_numpy(batch.tokens)
    x = model.activations(tokens, [BELOW])[BELOW]
    acts, scale = lower.encode(x), own.measure(x)
    error = (x - lower.decode(acts, x)).double()
    factor = torch.ones(1) if scale.factor is None else scale.factor
    bias = (lower.b_dec * factor).double()
    bias = bias if scale.shift is None else bias + scale.shift.double()
    counted = torch.from_numpy(batch.counted)
    for row, (position, feature) in enumerate(
        zip(batch.position.tolist(), batch.feature_index.tolist(), strict=True)
    ):
        h, gradient = by_hand(model, upper, tokens[row], x[row], position, feature)
        assert found.hidden_pre[row] == pytest.approx(h, rel=1e-4, abs=1e-4)
        here = counted[row].double()
        each = acts[row].double() * factor[row if len(factor) > 1 else 0].double()
        each = each * (gradient @ lower.W_dec.double().T) * here[:, None]
        fires = ((acts[row] > 0) & counted[row][:, None])[: position + 1].any(dim=0)
        mine = parts.row == row
        assert parts.feature_index[mine].tolist() == fires.nonzero()[:, 0].tolist()
        expected = each.sum(dim=0)[fires].numpy()
        np.testing.assert_allclose(parts.total[mine], expected, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(
            parts.same[mine], each[position][fires].numpy(), rtol=1e-3, atol=1e-4
        )
        dots = {
            "bias": ((bias[row] if bias.ndim > 1 else bias) * gradient).sum(dim=-1) * here,
            "error": (error[row] * gradient).sum(dim=-1) * here,
            "uncounted": (x[row].double() * gradient).sum(dim=-1) * (1 - here),
        }
        for name, dot in dots.items():
            value = float(getattr(parts, name)[row])
            assert value == pytest.approx(dot.sum().item(), rel=1e-3, abs=2e-4), name
    summed = np.bincount(parts.row, parts.total, 5) + parts.bias + parts.error + parts.uncounted
    assert np.abs(summed).max() > 0.1


def by_hand(
    model: LanguageModel, upper: Dictionary, tokens: Tensor, x: Tensor, position: int, feature: int
) -> tuple[float, Tensor]:
    """(h, gradient [pos, d]) of the second block of GPT-NeoX with everything held, in float64."""
    layer = model.plain.get_submodule("gpt_neox.layers.1")
    x = x.double().requires_grad_()
    y = block_by_hand(layer, x, eager_pattern(model, tokens))[position]
    measured = upper.normalisation.measure(y.detach())
    if measured.shift is not None:
        y = y - y.mean()
    if measured.divisor is not None:
        y = y / measured.divisor.double()
    own = (y - upper.b_pre.double()) @ upper.W_enc[:, feature].double() + upper.b_enc[feature]
    (gradient,) = torch.autograd.grad(own, x)
    return own.item(), gradient


def eager_pattern(model: LanguageModel, tokens: Tensor) -> Tensor:
    """[head, query, key] of the second block."""
    seen: list[Tensor] = []
    attention = model.plain.get_submodule("gpt_neox.layers.1.attention")
    plain: Any = model.plain
    before = plain.config._attn_implementation
    plain.set_attn_implementation("eager")
    handle = attention.register_forward_hook(lambda _m, _a, output: seen.append(output[1]))
    with torch.no_grad():
        plain(input_ids=tokens[None])
    handle.remove()
    plain.set_attn_implementation(before)
    return seen[0][0].double()


def block_by_hand(layer: Any, x: Tensor, pattern: Tensor) -> Tensor:
    attention, mlp = layer.attention, layer.mlp
    read = linear(attention.query_key_value, norm(layer.input_layernorm, x))
    value = read.view(len(x), 2, 3, 8)[:, :, 2].transpose(0, 1)
    z = (pattern @ value).transpose(0, 1).reshape(len(x), 16)
    inside = linear(mlp.dense_h_to_4h, norm(layer.post_attention_layernorm, x))
    after = linear(mlp.dense_4h_to_h, torch.nn.functional.gelu(inside))
    return x + linear(attention.dense, z) + after


def linear(layer: object, x: Tensor) -> Tensor:
    assert isinstance(layer, nn.Linear)
    return x @ layer.weight.double().T + layer.bias.double()


def norm(layer: object, x: Tensor) -> Tensor:
    assert isinstance(layer, nn.LayerNorm)
    deviation = (x.detach().var(dim=-1, unbiased=False, keepdim=True) + layer.eps).sqrt()
    return (x - x.mean(dim=-1, keepdim=True)) / deviation * layer.weight + layer.bias


@pytest.mark.parametrize("kind", ["relu", "jumprelu", "topk", "gated"])
def test_hidden_pre_is_the_dictionarys(tiny_dictionary: Dictionaries, kind: str) -> None:
    dictionary = tiny_dictionary(16, kind="relu" if kind == "gated" else kind)
    if kind == "gated":
        random = torch.Generator().manual_seed(0)
        gated = Gated(*(0.3 * torch.randn(24, generator=random) for _ in range(3)))
        dictionary = replace(dictionary, activation=gated)
    dictionary = replace(dictionary, normalisation=Normalisation("layer_norm"))
    y = torch.randn(6, 16, generator=torch.Generator().manual_seed(1))
    features = np.array([0, 5, 23, 5, 1, 2])
    _, expected = dictionary.encode_pairs(y, torch.from_numpy(features))
    torch.testing.assert_close(held_hidden_pre(dictionary, y, features), expected)


@pytest.mark.parametrize("architecture", ["neox", "gpt2", "gemma2"])
def test_removal_is_a_pass_without_the_feature(
    tiny_model: Callable[[str], LanguageModel],
    tiny_dictionary: Dictionaries,
    batch: Batch,
    architecture: str,
) -> None:
    model, upper = tiny_model(architecture), tiny_dictionary(16, seed=5)
    lower = replace(tiny_dictionary(16, 40), normalisation=Normalisation("constant_norm"))
    with frozen(model, [BELOW, ABOVE]) as held:
        assert held is not None
        above, below = target(upper, ABOVE), target(lower, BELOW)
        found = Attributor(held, above, [below], 16).attribute(batch)
        parts = found.below[BELOW]
        removed = remove(held, above, below, batch, found.hidden_pre, parts, seed=3)
    row = np.repeat(np.arange(5), STRONGEST + DRAWN)
    assert removed.feature_index.tolist() == batch.feature_index[row].tolist()
    for number, (one, index) in enumerate(zip(row, removed.removed_index.tolist(), strict=True)):
        position = int(batch.position[one])
        tokens = torch.from_numpy(batch.tokens[one, : position + 1])[None]
        counted = torch.from_numpy(batch.counted[one, : position + 1])

        def without(x: Tensor, index: int = index, counted: Tensor = counted) -> Tensor:
            acts = lower.encode(x)
            scale = lower.normalisation.measure(x).factor
            assert scale is not None
            silent = acts.clone()
            silent[..., index] = 0
            change = (acts - silent) @ lower.W_dec * scale
            return x - change * counted[:, None]

        y = logits_at(model, tokens, {BELOW: without})
        _, h = upper.encode_pairs(y, torch.tensor([batch.feature_index[one]]))
        expected = h.item() - found.hidden_pre[one]
        assert removed.real[number] == pytest.approx(expected, rel=1e-3, abs=1e-4)
        entry = (parts.row == one) & (parts.feature_index == index)
        assert removed.predicted[number] == -parts.total[entry].item()


def test_the_stream_between_attention_and_mlp_is_changed_for_both(
    tiny_model: Callable[[str], LanguageModel],
) -> None:
    model, hook = tiny_model("llama"), "blocks.1.hook_resid_mid"
    tokens = torch.arange(1, 9)[None]
    change = torch.linspace(0, 3, 16)
    clean = model.activations(tokens, [hook, ABOVE])
    with frozen(model, [hook, write_hook(hook), ABOVE]) as held:
        assert held is not None
        y = held.changed(tokens, {write_hook(hook): lambda x: x - change}, ABOVE)
        mid = held.changed(tokens, {write_hook(hook): lambda x: x - change}, hook)
    torch.testing.assert_close(mid, clean[hook] - change)
    layer: Any = model.plain.get_submodule("model.layers.1")
    with torch.no_grad():
        expected = mid + layer.mlp(layer.post_attention_layernorm(mid))
    torch.testing.assert_close(y, expected)


def test_choice_of_removals(batch: Batch) -> None:
    rng = np.random.default_rng(2)
    row = np.repeat(np.arange(5), [8, 3, 1, 0, 30])
    feature = np.concatenate([np.arange(n) * 3 for n in (8, 3, 1, 0, 30)])
    total = rng.normal(size=len(row))
    none = np.zeros(5)
    found = Contributions(row, feature, total, total, none, none, none, none)
    chosen, is_drawn = choose_removals(batch, found, seed=1)
    assert np.bincount(row[chosen], minlength=5).tolist() == [4, 3, 1, 0, 4]
    for one in range(5):
        entries = np.flatnonzero(row == one)
        strong = entries[np.argsort(-np.abs(total[entries]))[:STRONGEST]]
        mine = row[chosen] == one
        assert chosen[mine & ~is_drawn].tolist() == strong.tolist()
        assert not set(chosen[mine & is_drawn]) & set(strong.tolist())
        assert len(set(chosen[mine].tolist())) == mine.sum()
    again, _ = choose_removals(batch, found, seed=1)
    other, _ = choose_removals(batch, found, seed=2)
    assert again.tolist() == chosen.tolist() != other.tolist()


def test_what_a_feature_writes(tiny_dictionary: Dictionaries) -> None:
    dictionary = replace(
        tiny_dictionary(16, kind="topk"), normalisation=Normalisation("layer_norm")
    )
    x = torch.randn(50, 16, generator=torch.Generator().manual_seed(1))
    whole = dictionary.decode(dictionary.encode(x), x)
    bare = dictionary.decode(torch.zeros(50, 24), x)
    summed = sum((written(dictionary, x, j) for j in range(24)), torch.zeros(50, 16))
    torch.testing.assert_close(summed, whole - bare)


def logits_at(model: LanguageModel, tokens: Tensor, changes: dict[str, object]) -> Tensor:
    """The activation above at the last token, in a pass with changes."""
    found: list[Tensor] = []
    model.logits(tokens, {**changes, ABOVE: lambda y: found.append(y)})  # pyright: ignore
    return found[0][:, -1]
