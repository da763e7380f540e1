"""Calling what a user brought: one clear error naming the argument, whatever goes wrong in it.

Takes a function and what it is given; gives its tensor once shape and numbers were looked at. Knows
not what the function is for.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from app.errors import AtlasError

Function = Callable[..., Tensor]


def ask(
    name: str,
    function: Function,
    *given: Tensor | None,
    shape: Sequence[int | None],
    device: torch.device,
) -> Tensor:
    """What `function(*given)` returned, on `device`, in float32.

    Args:
        name: of the argument the user passed the function as.
        shape: it must have; None is any size but 0.

    Raises:
        AtlasError: it raised, or returned no tensor of finite real numbers, or another shape.
    """
    said = " and ".join(_described(tensor) for tensor in given if tensor is not None)
    try:
        with torch.no_grad():
            found = function(*given)
    except AtlasError:
        raise
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        raise AtlasError(f"{name} raised {type(error).__name__} for {said}: {first}") from error
    if not isinstance(found, Tensor):
        raise AtlasError(
            f"{name} returned {type(found).__name__} for {said}, expected a torch tensor."
        )
    kind = unusual(found)
    if kind:
        raise AtlasError(f"{name} returned a {kind} for {said}, expected a dense one, real.")
    expected = ", ".join("1 or more" if size is None else str(size) for size in shape)
    if found.ndim != len(shape) or any(
        there != size if size is not None else not there
        for size, there in zip(shape, found.shape, strict=True)
    ):
        raise AtlasError(
            f"{name} returned shape {list(found.shape)} for {said}, expected [{expected}]."
        )
    found = found.detach().to(device, torch.float32)
    if not bool(torch.isfinite(found).all()):
        raise AtlasError(f"{name} returned NaN or infinity for {said}.")
    return found


def unusual(tensor: Tensor) -> str | None:
    """What a tensor is that holds no plain real numbers, in words; None for one that does."""
    if tensor.is_meta:
        return "tensor without numbers"
    if tensor.layout != torch.strided:
        return "sparse tensor"
    return "complex tensor" if tensor.is_complex() else None


def refuse_dependence(name: str, alone: Tensor, among: Tensor, tolerance: float, what: str) -> None:
    """Refuses a function whose answer to one thing changes with what it is asked beside it.

    Raises:
        AtlasError: the two answers differ by more than `tolerance`, ‖difference‖ / ‖answer‖.
    """
    size = float(alone.norm())
    apart = float((alone - among).norm()) / size if size else float(among.norm())
    if apart > tolerance:
        raise AtlasError(
            f"{name} gives {what} other numbers when others stand in the same batch (they differ "
            f"by {apart:.1g}, at most {tolerance:g} is let pass): put the module into eval() mode "
            "and let nothing be shared between the rows of a batch."
        )


def _described(tensor: Tensor) -> str:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return f"{dtype} {list(tensor.shape)} on {tensor.device}"
