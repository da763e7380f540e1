"""Which examples are taken apart: those where single deletions miss most of what context does.

If every token added its own share, the losses by single deletions would add up to what is lost
where all text before the peak is of other contexts. They fall short where either of two tokens
suffices, and go beyond it where both are needed. Takes ablated text, gives rows. Knows no model.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.precompute.ablation.ablation import Ablation
from app.precompute.ablation.context_needed import ContextNeeded
from app.precompute.ablation.stage import Chosen, Measured

FEWEST_MISSED = 0.25
"""Share of the activation: below that single deletions explain enough."""


@dataclass(frozen=True)
class Missed:
    """An example and how far single deletions are from what its context holds up."""

    row: int
    """among those chosen for ablated text"""
    held: float
    """share of the activation lost where all text before the peak is of other contexts"""
    singles: float
    """share lost by single deletions, added up"""

    @property
    def missed(self) -> float:
        """How far they are apart."""
        return abs(self.held - self.singles)


def missed_of(pieces: Iterable[Measured]) -> list[Missed]:
    """Every example that has both ablated text and the context it needs."""
    found: list[Missed] = []
    for piece in pieces:
        needed = {item.example: item for item in piece.needed}
        for item in piece.ablated:
            held = _held(needed.get(item.example))
            singles = _singles(item.delete)
            if np.isfinite(held) and np.isfinite(singles):
                found.append(Missed(piece.rows[item.example], held, singles))
    return found


def choose_missed(
    found: Iterable[Missed], chosen: Sequence[Chosen], n_examples: int
) -> list[Missed]:
    """Of each feature at most `n_examples`, furthest apart first, ties to the earlier one; in the
    order of dictionary, feature, and that."""
    by_feature: Mapping[tuple[str, int], list[Missed]] = defaultdict(list)
    for item in found:
        if item.missed >= FEWEST_MISSED:
            example = chosen[item.row]
            by_feature[example.sae, example.feature_index].append(item)
    return [
        item
        for feature in sorted(by_feature)
        for item in sorted(by_feature[feature], key=lambda item: (-item.missed, item.row))[
            :n_examples
        ]
    ]


def _held(needed: ContextNeeded | None) -> float:
    if needed is None:
        return float("nan")
    alone = np.flatnonzero(np.asarray(needed.kept) == 0)
    return 1 - float(needed.activation_share[alone[0]]) if alone.size else float("nan")


def _singles(delete: Ablation) -> float:
    if not delete.baseline > 0 or not delete.positions.size:
        return float("nan")
    return -float(delete.effects.sum()) / delete.baseline
