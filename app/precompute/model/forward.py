"""Two ways to run a model with visitors at named activations: its bridge, and its plain modules.

Takes tokens and one visitor per hook name; a visitor sees an activation and may give another in its
place. `read` collects activations and ends the pass as soon as the last one is there, so nothing
above the deepest hook runs. The plain way leaves attention to the fastest kernel; the bridge is the
judge of what a hook name means. Knows nothing of dictionaries, corpora or files.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens.model_bridge import TransformerBridge

from app.precompute.model.norms import Norm

Visitor = Callable[[Float[Tensor, "batch pos *width"]], Float[Tensor, "batch pos *width"] | None]
"""Sees the activation at a hook; what it returns, unless None, takes the activation's place."""


@runtime_checkable
class Forward(Protocol):
    """One way to run the model."""

    def __call__(
        self, tokens: Int[Tensor, "batch pos"], visitors: Mapping[str, Visitor], **inputs: Tensor
    ) -> Float[Tensor, "_rows _places d_vocab"]:
        """The logits, after every visitor has seen its activation; `inputs` are the model's own.

        Of all positions, unless its unembedding is held to some (`bypass.only_at`).
        """
        ...


@dataclass(frozen=True)
class Site:
    """Where a hook sits among the plain model's modules."""

    path: str
    """The module's dotted path."""
    side: Literal["hook_in", "hook_out", "hook_normalized"]
    """Whether the activation is the module's first input, its (first) output, or what a norm has
    divided by its scale and not yet multiplied by its gain."""
    norm: Norm | None = None
    """what the module is, where its inside is meant"""


@dataclass(frozen=True, eq=False)
class PlainForward:
    """The Hugging Face module as it was loaded, with PyTorch hooks on it."""

    module: nn.Module
    sites: Mapping[str, Site]
    """hook name -> place; hooks that only exist inside the bridge are missing"""

    def __call__(
        self, tokens: Int[Tensor, "batch pos"], visitors: Mapping[str, Visitor], **inputs: Tensor
    ) -> Float[Tensor, "_rows _places d_vocab"]:
        with ExitStack() as hooks:
            for hook_name, visitor in visitors.items():
                handle = _attach(self.module, self.sites[hook_name], visitor)
                hooks.callback(handle.remove)
            return self.module(input_ids=tokens, use_cache=False, **inputs).logits


@dataclass(frozen=True, eq=False)
class BridgeForward:
    """TransformerLens' bridge, with hooks on its hook points."""

    bridge: TransformerBridge
    own_names: Mapping[str, str] = field(default_factory=dict)
    """the bridge's names of hooks that are called otherwise here"""

    def __call__(
        self, tokens: Int[Tensor, "batch pos"], visitors: Mapping[str, Visitor], **inputs: Tensor
    ) -> Float[Tensor, "_rows _places d_vocab"]:
        def as_hook(visitor: Visitor) -> Callable[..., Tensor | None]:
            return lambda activation, hook: visitor(activation)

        fwd_hooks = [
            (self.own_names.get(name, name), as_hook(visitor)) for name, visitor in visitors.items()
        ]
        with self.bridge.hooks(fwd_hooks=fwd_hooks):
            return self.bridge(tokens, return_type="logits", **inputs)


class _EverythingRead(Exception):
    """Ends a pass: all activations asked for have been seen."""


def read(
    forward: Forward,
    tokens: Int[Tensor, "batch pos"],
    hook_names: Collection[str],
    **inputs: Tensor,
) -> dict[str, Float[Tensor, "batch pos _d_in"]]:
    """Activations by the name asked for, heads flattened. Hooks that never fire are missing."""
    found: dict[str, Tensor] = {}

    def reader(hook_name: str) -> Visitor:
        def visit(activation: Tensor) -> None:
            found.setdefault(hook_name, activation.detach().flatten(start_dim=2))
            if len(found) == len(hook_names):
                raise _EverythingRead

        return visit

    with suppress(_EverythingRead):
        forward(tokens, {name: reader(name) for name in hook_names}, **inputs)
    return found


def _attach(module: nn.Module, site: Site, visitor: Visitor) -> Any:
    """Put the visitor on its module; returns the handle that removes it."""
    target = module.get_submodule(site.path)
    if site.side == "hook_in":
        return target.register_forward_pre_hook(_before(visitor), with_kwargs=True)
    if site.norm is not None:
        return target.register_forward_hook(_within(visitor, site.norm))
    return target.register_forward_hook(_after(visitor))


def _before(visitor: Visitor) -> Callable[..., tuple[Any, Any] | None]:
    def pre_hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            changed = visitor(args[0])
            return None if changed is None else ((changed, *args[1:]), kwargs)
        changed = visitor(kwargs["hidden_states"])
        return None if changed is None else (args, kwargs | {"hidden_states": changed})

    return pre_hook


def _within(visitor: Visitor, norm: Norm) -> Callable[..., Tensor | None]:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
        x = args[0]
        normalised = (norm.centred(x) * norm.over(x, output)).to(output.dtype)
        changed = visitor(normalised)
        if changed is None:
            return None
        return output + (norm.gain * (changed.float() - normalised.float())).to(output.dtype)

    return hook


def _after(visitor: Visitor) -> Callable[..., Any]:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if not isinstance(output, tuple):
            return visitor(output)
        changed = visitor(output[0])
        return None if changed is None else (changed, *output[1:])

    return hook
