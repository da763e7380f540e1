"""One stored example taken out of its packed group: its window and its ablated text.

Takes a feature's material, a group and a row (from 0). Knows how groups are packed, nothing of how
anything is shown.
"""

import math
from dataclasses import dataclass

from jaxtyping import Float, Integer
from numpy import ndarray

from app.db.records import AblationGroup, Group
from app.web.pages.feature_material import Material
from app.web.pages.token_line import Effects, Window

MODES = ("delete", "replace")


@dataclass(frozen=True)
class Measured:
    """Effects of one mode on one example, by position in the context."""

    position: Integer[ndarray, " m"]
    effect: Float[ndarray, " m"]
    """difference of activation"""
    hidden_pre_effect: Float[ndarray, " m"]


def place_of(ablations: AblationGroup, row: int) -> int | None:
    """Where the ablated text of an example's row stands, or None where it has none."""
    places = (ablations.rank == row).nonzero()[0]
    return int(places[0]) if places.size else None


def measured_at(ablations: AblationGroup, place: int, mode: str) -> Measured:
    """What was measured in one mode at a place of `place_of`."""
    indptr = getattr(ablations, f"{mode}_indptr")
    inside = slice(int(indptr[place]), int(indptr[place + 1]))
    return Measured(
        getattr(ablations, f"{mode}_position")[inside],
        getattr(ablations, f"{mode}_effect")[inside],
        getattr(ablations, f"{mode}_hidden_pre_effect")[inside],
    )


def effects_of(ablations: AblationGroup | None, row: int, mode: str) -> Effects | None:
    """The ablated text of one row in one mode; None where it was not measured."""
    if ablations is None or mode not in MODES:
        return None
    place = place_of(ablations, row)
    if place is None:
        return None
    measured = measured_at(ablations, place, mode)
    if measured.position.size == 0:
        return None
    by_position = dict(zip(measured.position.tolist(), measured.effect.tolist(), strict=True))
    baseline = float(ablations.baseline[place])
    shares = {
        position: effect / baseline
        for position, effect in by_position.items()
        if baseline > 0 and math.isfinite(effect)
    }
    return Effects(mode, baseline, by_position, shares)


def window_of(material: Material, group: Group, row: int) -> Window | None:
    """The stored window of an example; None where its context is not stored."""
    stored = material.groups[group]
    context = material.contexts.get(int(stored.context_id[row]))
    if context is None:
        return None
    start, stop = int(stored.window_start[row]), int(stored.window_stop[row])
    inside = slice(int(stored.window_indptr[row]), int(stored.window_indptr[row + 1]))
    token_records = [material.token(i) for i in context.token_ids[start:stop].tolist()]
    return Window(
        token_records,
        start,
        int(stored.position[row]),
        dict(
            zip(
                stored.window_position[inside].tolist(),
                stored.window_activation[inside].tolist(),
                strict=True,
            )
        ),
        [start + i > 0 and not token.special for i, token in enumerate(token_records)],
    )
