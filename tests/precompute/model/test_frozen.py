"""Gradients with attention patterns and norm scales held, beside maps written out by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from app.errors import AtlasError
from app.precompute.model.forward import PlainForward
from app.precompute.model.frozen import FrozenModel, frozen
from app.precompute.model.heights import height, n_attentions
from app.precompute.model.language_model import LanguageModel
from app.precompute.model.pretrained import load_pretrained

ARCHITECTURES = ["neox", "gpt2", "llama", "gemma2", "sliding", "bloom"]


def some_tokens(rows: int = 3, n_ctx: int = 20) -> Tensor:
    return torch.randint(1, 290, (rows, n_ctx), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def bare_model(
    model_folder: Callable[[str], Path],
) -> Callable[[str], LanguageModel]:
    """A model whose layers add nothing of their own: every bias is zero."""

    def load(architecture: str) -> LanguageModel:
        plain, tokenizer = load_pretrained(model_folder(architecture), torch.float32, "cpu")
        for name, parameter in plain.named_parameters():
            if name.endswith(".bias"):
                parameter.zero_()
        return LanguageModel(architecture, plain, tokenizer)

    return load


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("above", ["blocks.1.hook_attn_out", "blocks.1.hook_mlp_out"])
def test_values_are_the_models_own(
    tiny_model: Callable[[str], LanguageModel], architecture: str, above: str
) -> None:
    model, below = tiny_model(architecture), ["hook_embed", "blocks.0.hook_resid_post"]
    tokens = some_tokens()
    expected = model.activations(tokens, [*below, above])
    with frozen(model, [*below, above]) as held:
        assert held is not None
        found = held.run(tokens, below, above)
    torch.testing.assert_close(found.above.detach(), expected[above], rtol=0, atol=0)
    for name in below:
        torch.testing.assert_close(found.below[name].detach(), expected[name], rtol=0, atol=0)
    after = model.activations(tokens, [above])[above]
    torch.testing.assert_close(after, expected[above], rtol=0, atol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_attention_and_norms_are_linear_maps(
    bare_model: Callable[[str], LanguageModel], architecture: str
) -> None:
    """Without biases x · ∇h is h itself, of any h behind attention and norms alone; with patterns
    and scales on the move it is about nothing."""
    model, below, above = bare_model(architecture), "blocks.1.hook_resid_pre", "hook_attn_out"
    above = f"blocks.1.{above}"
    with frozen(model, [below, above]) as held:
        assert held is not None
        found = held.run(some_tokens(), [below], above)
        h = found.above[:, -1, 3].sum()
        x = found.below[below].detach()
        gradient = found.gradients(h)[below]
    assert abs(h.item()) > 1e-2
    assert (x * gradient).sum().item() == pytest.approx(h.item(), rel=1e-4)


@pytest.mark.parametrize("hook", ["blocks.0.hook_resid_mid", "blocks.0.hook_attn_out"])
def test_what_goes_around_a_layer_counts(
    bare_model: Callable[[str], LanguageModel], hook: str
) -> None:
    """The stream before an MLP is read at the input of its norm, and goes past it besides."""
    model, above = bare_model("llama"), "blocks.0.hook_resid_post"
    with frozen(model, [hook, above]) as held:
        assert held is not None
        found = held.run(some_tokens(), [hook], above)
        gradient = found.gradients(found.above[0, 5, 2])[hook]
    with frozen(model, [hook, "blocks.0.hook_mlp_out"]) as held:
        assert held is not None
        found = held.run(some_tokens(), [hook], "blocks.0.hook_mlp_out")
        through = found.gradients(found.above[0, 5, 2])[hook]
    around = torch.zeros_like(gradient)
    around[0, 5, 2] = 1
    torch.testing.assert_close(gradient, through + around)


def test_a_whole_block_by_hand(tiny_model: Callable[[str], LanguageModel]) -> None:
    """GPT-NeoX in float64, with patterns from transformers' own output and scales as numbers."""
    model, below, above = tiny_model("neox"), "blocks.0.hook_resid_post", "blocks.1.hook_resid_post"
    tokens = some_tokens(rows=1)
    probe = torch.randn(16, generator=torch.Generator().manual_seed(3))
    with frozen(model, [below, above]) as held:
        assert held is not None
        found = held.run(tokens, [below], above)
        gradient = found.gradients((found.above[0, 11] * probe).sum())[below][0]
    x = found.below[below].detach()[0].double().requires_grad_()
    pattern = _patterns(model, tokens)[1][0].double()  # [head, query, key]
    layer = model.plain.get_submodule("gpt_neox.layers.1")
    out = _block_by_hand(layer, x, pattern)
    (expected,) = torch.autograd.grad((out[11] * probe.double()).sum(), x)
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-4, atol=1e-5)
    assert not expected[12:].any()  # nothing flows back from what comes later
    torch.testing.assert_close(found.above.detach()[0].double(), out.detach(), rtol=1e-4, atol=1e-4)


def test_hooks_that_reach_nothing_are_left_out(
    tiny_model: Callable[[str], LanguageModel],
) -> None:
    """In GPT-NeoX attention and MLP of a block read the same stream."""
    model, above = tiny_model("neox"), "blocks.1.mlp.hook_pre"
    below = ["blocks.1.hook_attn_out", "blocks.0.hook_mlp_out"]
    with frozen(model, [*below, above]) as held:
        assert held is not None
        found = held.run(some_tokens(), below, above)
        assert list(found.gradients(found.above.sum())) == ["blocks.0.hook_mlp_out"]


def test_attention_that_can_not_be_held_is_refused(
    tiny_model: Callable[[str], LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, above = tiny_model("llama"), "blocks.1.hook_resid_post"
    forward = model.plain_way([above])
    assert forward is not None
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", _other_attention)
    with pytest.raises(AtlasError, match=r"can't be held: of 2 blocks 0 .* --skip connections"):
        FrozenModel(forward, model.device).run(some_tokens(), ["hook_embed"], above)


def test_only_the_plain_modules_are_used(tiny_model: Callable[[str], LanguageModel]) -> None:
    model = tiny_model("llama")
    assert isinstance(model.plain_way(model.hook_names), PlainForward)
    model.twin().plain_way(["hook_embed"])
    assert model.norm_paths() == [
        f"model.layers.{i}.{name}"
        for i in range(2)
        for name in ("input_layernorm", "post_attention_layernorm")
    ]


def test_heights() -> None:
    names = ["hook_embed", "blocks.0.hook_resid_pre", "blocks.0.attn.hook_in"]
    names += ["blocks.0.attn.hook_z"]
    names += ["blocks.0.hook_attn_out", "blocks.0.hook_resid_mid", "blocks.0.mlp.hook_post"]
    names += ["blocks.0.hook_resid_post", "blocks.1.hook_attn_out", "blocks.10.mlp.hook_pre"]
    heights = [height(name) for name in names]
    assert heights == sorted(set(heights))
    assert height("blocks.3.hook_resid_post") == height("blocks.4.hook_resid_pre")
    assert [n_attentions(name) for name in names] == [0, 0, 0, 1, 1, 1, 1, 1, 2, 11]


def _other_attention(query: Tensor, *_: object, **__: object) -> Tensor:
    return query * 1


def _patterns(model: LanguageModel, tokens: Tensor) -> tuple[Tensor, ...]:
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(model.name, attn_implementation="eager").eval()
    with torch.no_grad():
        return plain(input_ids=tokens, output_attentions=True).attentions


def _norm_by_hand(layer: Any, x: Tensor) -> Tensor:
    variance = x.detach().var(dim=-1, unbiased=False, keepdim=True)
    centred = x - x.mean(dim=-1, keepdim=True)
    scaled = centred / (variance + layer.eps).sqrt()
    return scaled * layer.weight.double() + layer.bias.double()


def _block_by_hand(layer: Any, x: Tensor, pattern: Tensor) -> Tensor:
    attention, mlp = layer.attention, layer.mlp
    qkv = attention.query_key_value
    read = _norm_by_hand(layer.input_layernorm, x) @ qkv.weight.double().T + qkv.bias.double()
    value = read.view(len(x), 2, 3, 8)[:, :, 2].transpose(0, 1)  # [head, pos, d_head]
    z = (pattern @ value).transpose(0, 1).reshape(len(x), 16)
    attn_out = z @ attention.dense.weight.double().T + attention.dense.bias.double()
    inside = _norm_by_hand(layer.post_attention_layernorm, x)
    inside = inside @ mlp.dense_h_to_4h.weight.double().T + mlp.dense_h_to_4h.bias.double()
    inside = torch.nn.functional.gelu(inside)
    mlp_out = inside @ mlp.dense_4h_to_h.weight.double().T + mlp.dense_4h_to_h.bias.double()
    return x + attn_out + mlp_out
