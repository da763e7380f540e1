"""A change of the stream between attention and MLP, made to reach all that the stream does.

`hook_resid_mid` is the input of the norm before the MLP: a change there alone goes through the MLP
and not past it. Takes the visitors of a pass; gives visitors that add the same change to the stream
behind the block. Knows no model.
"""

from collections.abc import Mapping

from torch import Tensor

from app.precompute.model.forward import Visitor

_MID, _POST = ".hook_resid_mid", ".hook_resid_post"


def reaching_the_stream(changes: Mapping[str, Visitor]) -> dict[str, Visitor]:
    """The same changes, those of a stream's middle carried past the MLP as well."""
    found = dict(changes)
    for name, visitor in changes.items():
        if name.endswith(_MID):
            behind = name.removesuffix(_MID) + _POST
            found[name], found[behind] = _carried(visitor, changes.get(behind))
    return found


def _carried(visitor: Visitor, then: Visitor | None) -> tuple[Visitor, Visitor]:
    """(what changes the middle, what adds as much to the end; `then` sees that end)."""
    differences: list[Tensor | None] = []

    def at_mid(activation: Tensor) -> Tensor | None:
        changed = visitor(activation)
        differences.append(None if changed is None else changed - activation)
        return changed

    def at_post(activation: Tensor) -> Tensor | None:
        difference = differences.pop()
        carried = None if difference is None else activation + difference
        if then is None:
            return carried
        changed = then(activation if carried is None else carried)
        return carried if changed is None else changed

    return at_mid, at_post
