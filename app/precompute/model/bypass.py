"""Parts of a pass that need not run: blocks beneath a known activation, logits nobody reads.

Takes modules of a loaded model; while a block lasts they hand on what they are given, or compute at
chosen places only. Its user has to compare with an ordinary pass: whether a model can do without
what is left out is not known here.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from app.precompute.model.narrow import Places


@contextmanager
def bypassed(blocks: Sequence[nn.Module], n_outputs: int) -> Iterator[None]:
    """Every block gives its first input; hooks on it still run.

    Args:
        n_outputs: length of the tuple that a block gives, 0 where it gives a tensor.
    """

    def hand_on(*args: Any, **kwargs: Any) -> Any:
        x = args[0] if args else kwargs["hidden_states"]
        return (x, *[None] * (n_outputs - 1)) if n_outputs else x

    before = [block.__dict__.get("forward") for block in blocks]  # some loaders put one there
    for block in blocks:
        block.forward = hand_on
    try:
        yield
    finally:
        for block, own in zip(blocks, before, strict=True):
            del block.forward  # the class's own comes back
            if own is not None:
                block.forward = own


@contextmanager
def only_at(unembedding: nn.Module, places: Places) -> Iterator[None]:
    """The layer runs at these places alone, as if they were one text `[1, n_places, _]`."""

    def before(module: nn.Module, args: tuple[Any, ...]) -> tuple[Tensor]:
        (x,) = args
        return (x[places][None],)

    handle = unembedding.register_forward_pre_hook(before)
    try:
        yield
    finally:
        handle.remove()


def n_outputs_of(block: nn.Module, run: Callable[[], object]) -> int:
    """What `bypassed` has to be told of a block, seen while `run` runs the model once."""
    seen: list[int] = []

    def look(module: nn.Module, args: Any, output: Any) -> None:
        seen.append(len(output) if isinstance(output, tuple) else 0)

    handle = block.register_forward_hook(look)
    try:
        run()
    finally:
        handle.remove()
    return seen[0]
