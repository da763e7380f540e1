"""Changing a hook again and again equals whole passes, and runs only what lies above it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from app.precompute.model.above import Above
from app.precompute.model.language_model import LanguageModel

ARCHITECTURES = ["neox", "gpt2", "llama", "gemma2", "sliding", "bloom"]
Models = Callable[[str], LanguageModel]


def some_tokens() -> Tensor:
    return torch.randint(1, 290, (3, 12), generator=torch.Generator().manual_seed(2))


def turned(activation: Tensor) -> Tensor:
    return activation.roll(1, dims=-1) * 0.5


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equals_whole_passes_at_every_hook(tiny_model: Models, architecture: str) -> None:
    model = tiny_model(architecture)
    above = Above(model, some_tokens())
    torch.testing.assert_close(above.clean, model.logits(some_tokens()))
    plain = model.activations(some_tokens(), model.hook_names)
    for name in model.hook_names:
        torch.testing.assert_close(above.activation(name), plain[name])
        expected = model.logits(
            some_tokens(),
            {name: lambda x: turned(x.flatten(start_dim=2)).reshape(x.shape)},
        )
        for _ in range(2):
            torch.testing.assert_close(above.logits(name, turned), expected)
    torch.testing.assert_close(model.logits(some_tokens()), above.clean)


def counted_runs(modules: list[Any], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often each module was computed, from now on."""
    runs = [0] * len(modules)
    for place, module in enumerate(modules):
        forward = module.forward

        def counting(*args: Any, place: int = place, forward: Any = forward, **kwargs: Any) -> Any:
            runs[place] += 1
            return forward(*args, **kwargs)

        monkeypatch.setattr(module, "forward", counting)
    return runs


def test_what_lies_below_is_run_once(tiny_model: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("neox")
    for name in ("blocks.1.hook_mlp_out", "blocks.0.hook_resid_post", "hook_embed"):
        model.activations(some_tokens(), [name])  # the bridge has its say before we count
    plain: Any = model.plain
    layers: Any = plain.gpt_neox.layers
    runs = counted_runs(list(layers), monkeypatch)
    above = Above(model, some_tokens())
    assert runs == [1, 1]
    for name, expected in (
        ("blocks.1.hook_mlp_out", [2, 6]),
        ("blocks.0.hook_resid_post", [3, 10]),
        ("hook_embed", [6, 13]),
    ):
        above.activation(name)
        for _ in range(3):
            above.logits(name, turned)
        assert runs == expected
        assert above.is_replayed(name) == (name != "hook_embed")
    assert "forward" in vars(layers[0])  # our counter was put back


def test_a_model_whose_blocks_share_more_than_their_output_is_run_whole(
    tiny_model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("neox")
    model.activations(some_tokens(), ["blocks.1.hook_mlp_out"])
    plain: Any = model.plain
    layers: Any = plain.gpt_neox.layers
    passed: list[Tensor] = []
    first, second = layers[0].forward, layers[1].forward

    def leave(hidden: Tensor, *args: Any, **kwargs: Any) -> Any:
        passed.append(hidden)
        return first(hidden, *args, **kwargs)

    def find(hidden: Tensor, *args: Any, **kwargs: Any) -> Any:
        beside = passed.pop() if passed else torch.zeros_like(hidden)
        return second(hidden + beside, *args, **kwargs)

    monkeypatch.setattr(layers[0], "forward", leave)
    monkeypatch.setattr(layers[1], "forward", find)
    whole = model.logits(some_tokens())
    above = Above(model, some_tokens())
    above.activation("blocks.1.hook_mlp_out")
    assert not above.is_replayed("blocks.1.hook_mlp_out")
    torch.testing.assert_close(above.logits("blocks.1.hook_mlp_out", lambda x: x), whole)
