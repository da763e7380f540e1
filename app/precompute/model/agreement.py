"""Which way of running the model may be used at a hook: the plain modules, where they agree.

At the first batch of every hook the activations are computed through the bridge too; from then on
the plain modules are used where both agreed, the bridge where they did not. What "agree" means is
stated here. Knows nothing of dictionaries, corpora or files.
"""

import logging
from collections.abc import Collection, Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from app.precompute.model.forward import BridgeForward, Forward, PlainForward, read

log = logging.getLogger(__name__)

TOLERANCE = {torch.float32: 1e-3, torch.float16: 3e-2, torch.bfloat16: 1e-1}
"""How far two ways of computing one activation may be apart, ‖a − b‖ / ‖b‖ at the worst token."""

CHECKED_ROWS = 4
"""Rows of a first batch that are computed both ways."""


class Agreement:
    """Remembers, hook by hook, whether the plain modules were seen to equal the bridge."""

    def __init__(self, plain: PlainForward, bridge: BridgeForward, tolerance: float) -> None:
        self._plain = plain
        self._bridge = bridge
        self._tolerance = tolerance
        self._agrees: dict[str, bool] = {}
        self.differences: dict[str, float] = {}
        """‖plain − bridge‖ / ‖bridge‖ at the worst token of the first batch, by hook; infinite
        where the plain modules have no such place."""

    def share(self, other: "Agreement") -> None:
        """Have the findings of the same model's other modules, and add to them."""
        self._agrees = other._agrees
        self.differences = other.differences

    def way(
        self,
        tokens: Int[Tensor, "batch pos"],
        hook_names: Collection[str],
        inputs: Mapping[str, Tensor],
    ) -> Forward:
        """The plain modules if they agree at all of these hooks, else the bridge."""
        new = [name for name in hook_names if name not in self._agrees]
        if new:
            rows = {key: value[:CHECKED_ROWS] for key, value in inputs.items()}
            self._compare(tokens[:CHECKED_ROWS], new, rows)
        agreed = all(self._agrees[name] for name in hook_names)
        return self._plain if agreed else self._bridge

    def _compare(
        self, tokens: Int[Tensor, "rows pos"], hook_names: list[str], inputs: dict[str, Tensor]
    ) -> None:
        expected = read(self._bridge, tokens, hook_names, **inputs)
        reachable = [name for name in hook_names if name in self._plain.sites]
        found = read(self._plain, tokens, reachable, **inputs) if reachable else {}
        mask = inputs.get("attention_mask")
        counted = torch.ones_like(tokens) if mask is None or mask.ndim != 2 else mask
        for name in hook_names:
            apart = float("inf")
            if name in found and name in expected:
                apart = relative_difference(found[name], expected[name], counted.bool())
            self.differences[name] = apart
            self._agrees[name] = apart <= self._tolerance
            if not self._agrees[name]:
                log.warning(
                    "%s is read through the bridge, which is slower: the plain modules differ "
                    "from it by %.1g of the activation, more than %g.",
                    *(name, apart, self._tolerance),
                )


def relative_difference(
    found: Float[Tensor, "*batch _d_in"],
    expected: Float[Tensor, "*batch _d_in"],
    counted: Bool[Tensor, "*batch"] | None = None,
) -> float:
    """‖found − expected‖ / ‖expected‖ at the worst (counted) token; infinite if shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    apart = (found.float() - expected.float()).norm(dim=-1)
    size = expected.float().norm(dim=-1).clamp_min(torch.finfo(torch.float32).tiny)
    ratio = apart / size
    return float((ratio if counted is None else ratio[counted]).max())
