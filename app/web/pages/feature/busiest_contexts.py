"""Which stored contexts of a feature hold most of its firings, among those its examples point to.

Takes its example groups, gives context ids and the firings in each whole context. Knows no text.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from app.db.records import ExampleGroup, Group

MOST = 6


@dataclass(frozen=True)
class BusyContext:
    """One context with every firing in it."""

    context_id: int
    position: Integer[ndarray, " n"]
    activation: Float[ndarray, " n"]


def busiest_contexts(groups: Mapping[Group, ExampleGroup]) -> list[BusyContext]:
    """Up to six contexts, most firings first; ties go to the lower context_id."""
    best: dict[int, tuple[int, Group, int]] = {}
    for group, stored in groups.items():
        counts = np.diff(stored.firing_indptr).tolist()
        for row, (context_id, n) in enumerate(zip(stored.context_id.tolist(), counts, strict=True)):
            if n and n > best.get(context_id, (0,))[0]:
                best[context_id] = (n, group, row)
    chosen = sorted(best, key=lambda context_id: (-best[context_id][0], context_id))[:MOST]
    return [_busy(context_id, groups[best[context_id][1]], best[context_id][2])
            for context_id in chosen]  # fmt: skip


def _busy(context_id: int, stored: ExampleGroup, row: int) -> BusyContext:
    inside = slice(int(stored.firing_indptr[row]), int(stored.firing_indptr[row + 1]))
    return BusyContext(context_id, stored.firing_position[inside], stored.firing_activation[inside])
