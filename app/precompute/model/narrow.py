"""Running the position-wise parts of a block at chosen places only.

Where a pass is read at a few places, what stands above the last attention (its output projection,
the MLP) need not be computed anywhere else. Takes modules that treat every position alike and the
places; while it lasts they compute those and give zeros elsewhere. Does not know what a block is,
nor whether a module really treats positions alike: its user has to compare.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

Places = tuple[Int[Tensor, " n_places"], Int[Tensor, " n_places"]]
"""(row, position) of each."""


@contextmanager
def narrowed(modules: Iterable[nn.Module], places: Places) -> Iterator[None]:
    """Every module with a single input `[batch, pos, _]` runs at the places; others run as ever."""
    with ExitStack() as hooks:
        for module in modules:
            before, after = _narrow(places)
            hooks.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
            hooks.callback(module.register_forward_hook(after).remove)
        yield


def _narrow(places: Places) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Hooks for one module: gather what it takes, put what it gives back in place."""
    shape: list[int] = []

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        shape.clear()
        if len(args) != 1 or kwargs or args[0].ndim != 3:
            return None
        x: Float[Tensor, "batch pos d_in"] = args[0]
        shape.extend(x.shape[:2])
        return (x[places][None],), kwargs

    def after(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if not shape:
            return None
        if isinstance(output, tuple):
            return (_spread(output[0], places, shape), *output[1:])
        return _spread(output, places, shape)

    return before, after


def _spread(
    found: Float[Tensor, "1 n_places d_out"], places: Places, shape: list[int]
) -> Float[Tensor, "batch pos d_out"]:
    spread = found.new_zeros(*shape, found.shape[-1])
    spread[places] = found[0]
    return spread
