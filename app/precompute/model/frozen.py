"""A pass whose gradients are those of the model with attention patterns and norm scales held.

Values are the model's own. On the way back every softmax is a constant (of attention that runs
through a fused kernel: queries and keys are), and every LayerNorm or RMSNorm divides by the number
it divided by; MLPs keep their derivative at that point. What is left is a linear map for attention
and norms, so that a gradient tells what an activation contributes rather than how patterns move.
Takes tokens and hooks; gives activations that gradients can be asked of. Knows no dictionary.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from app.errors import AtlasError
from app.precompute.model.forward import PlainForward, Visitor
from app.precompute.model.heights import block_of, n_attentions
from app.precompute.model.language_model import LanguageModel
from app.precompute.model.norms import Norm, read_norm

_SOFTMAX = (F.softmax, torch.softmax, Tensor.softmax)


@dataclass(frozen=True, eq=False)
class Held:
    """One pass, not yet asked for gradients. Heads are flattened nowhere."""

    below: dict[str, Tensor]
    """activations by hook, `[batch, pos, *width]`; what is above depends on each of them"""
    above: Tensor
    """the activation at the hook the pass ended at"""
    seen: dict[str, Tensor]
    """activations at other hooks, which no gradient is asked of"""

    def gradients(self, value: Float[Tensor, ""]) -> dict[str, Float[Tensor, "batch pos _d_in"]]:
        """d value / d activation of each hook below, heads flattened; hooks that don't reach the
        value are left out. Frees the pass."""
        found = torch.autograd.grad(value, list(self.below.values()), allow_unused=True)
        return {
            name: gradient.flatten(start_dim=2)
            for name, gradient in zip(self.below, found, strict=True)
            if gradient is not None
        }


class FrozenModel:
    """A model ready for such passes; made by `frozen`, good while its block lasts."""

    def __init__(self, forward: PlainForward, device: torch.device) -> None:
        self._forward = forward
        self._device = device

    def run(
        self,
        tokens: Int[Tensor, "batch pos"],
        below: Collection[str],
        above: str,
        seen: Collection[str] = (),
    ) -> Held:
        """One pass up to the hook `above`; nothing beyond it runs. Padding goes to the right.

        `seen`: hooks that are only read; none of those `below`.

        Raises:
            AtlasError: attention was seen to run in a way in which patterns can't be held.
        """
        found: dict[str, Tensor] = {}
        patterns = _HeldPatterns()
        visitors: dict[str, Visitor] = {name: _keeper(found, name) for name in (*below, *seen)}
        start = _start(below)
        visitors = {start: _beginner(found, start, start in visitors)} | {
            name: visitor for name, visitor in visitors.items() if name != start
        }
        visitors[above] = _ender(found, above)
        with torch.enable_grad(), patterns, suppress(_ReachedError):
            self._forward(tokens.to(self._device), visitors)
        if patterns.n_held < n_attentions(above):
            raise AtlasError(
                f"The attention patterns below {above} can't be held: of {n_attentions(above)} "
                f"blocks {patterns.n_held} were seen to compute one; use --skip connections."
            )
        kept = ({name: found[name] for name in names} for names in (below, seen))
        return Held(next(kept), found[above], next(kept))

    @torch.no_grad()
    def changed(
        self, tokens: Int[Tensor, "batch pos"], changes: Mapping[str, Visitor], above: str
    ) -> Float[Tensor, "batch pos _d_in"]:
        """The activation at the hook `above`, heads flattened, after these visitors changed others
        below it: a pass like any other, in which patterns and scales follow."""
        found: dict[str, Tensor] = {}
        with suppress(_ReachedError):
            self._forward(tokens.to(self._device), {**changes, above: _ender(found, above)})
        return found[above].flatten(start_dim=2)


@contextmanager
def frozen(model: LanguageModel, hook_names: Collection[str]) -> Iterator[FrozenModel | None]:
    """The model with its norms held; None where the plain modules can't be used at these hooks.

    Raises:
        AtlasError: one of its norms is neither a LayerNorm nor an RMSNorm.
    """
    forward = model.plain_way(hook_names)
    if forward is None:
        yield None
        return
    with ExitStack() as hooks:
        for path in model.norm_paths():
            layer = model.plain.get_submodule(path)
            norm = read_norm(layer, model.d_model)
            if norm is None:
                raise AtlasError(
                    f"The scale of {path} in {model.name} can't be held, as it is neither a "
                    "LayerNorm nor an RMSNorm; use --skip connections."
                )
            handle = layer.register_forward_hook(_held_scale(norm))
            hooks.callback(handle.remove)
        yield FrozenModel(forward, model.device)


class _ReachedError(Exception):
    """Ends a pass at the hook it was meant for."""


def _start(below: Collection[str]) -> str:
    """Where gradients begin: the stream before the block of the lowest hook.

    Not the hook itself, as what is read at the input of a layer may go elsewhere besides.
    """
    if "hook_embed" in below:
        return "hook_embed"
    return f"blocks.{min(block_of(name) for name in below)}.hook_resid_pre"


def _beginner(found: dict[str, Tensor], name: str, asked: bool) -> Visitor:
    def visit(activation: Tensor) -> Tensor:
        leaf = activation.detach().requires_grad_()
        if asked:
            found[name] = leaf
        return leaf

    return visit


def _keeper(found: dict[str, Tensor], name: str) -> Visitor:
    def visit(activation: Tensor) -> None:
        found.setdefault(name, activation)

    return visit


def _ender(found: dict[str, Tensor], name: str) -> Visitor:
    def visit(activation: Tensor) -> None:
        found[name] = activation
        raise _ReachedError

    return visit


class _HeldPatterns(TorchFunctionMode):
    """While it lasts, in this thread, softmaxes are constants to gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.n_held = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is F.scaled_dot_product_attention:
            self.n_held += 1
            held = [tensor.detach() for tensor in args[:2]]
            for name in ("query", "key"):
                if name in kwargs:
                    kwargs[name] = kwargs[name].detach()
            return func(*held, *args[2:], **kwargs)
        found = func(*args, **kwargs)
        if func in _SOFTMAX:
            self.n_held += 1
            return found.detach()
        return found


class _Scaled(torch.autograd.Function):
    """A norm's output as it is, with the gradient of `gain · (x − centre) / scale`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, output: Tensor, gain: Tensor, over: Tensor, centres: bool):
        ctx.save_for_backward(gain, over)
        ctx.centres = centres
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor):
        gain, over = ctx.saved_tensors
        (gradient,) = gradients
        found = gradient.float() * gain * over
        if ctx.centres:
            found = found - found.mean(dim=-1, keepdim=True)
        return found.to(gradient.dtype), None, None, None, None


def _held_scale(norm: Norm) -> Callable[..., Tensor]:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        x = args[0]
        over = norm.over(x, output)
        return _Scaled.apply(x, output.detach(), norm.gain, over, norm.centres)

    return hook
