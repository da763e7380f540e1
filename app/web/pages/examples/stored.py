"""One stored example taken out of its packed group: its text and its ablated text.

Takes a feature's material, a group (or its name) and a row (from 0). Knows how groups are packed,
nothing of how anything is shown.
"""

import math
from dataclasses import dataclass

from jaxtyping import Float, Integer
from numpy import ndarray

from app.db.records import AblationGroup, ExampleGroup, Group
from app.web.pages.examples.token_line import Effects, Window
from app.web.pages.feature.material import Material

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


def effects_of(
    ablations: AblationGroup | None, row: int, mode: str, on: str = "activation"
) -> Effects | None:
    """The ablated text of one row in one mode; None where it was not measured.

    Args:
        on: "activation", or "hidden_pre" for differences and shares of the pre-activation.
    """
    if ablations is None or mode not in MODES:
        return None
    place = place_of(ablations, row)
    if place is None:
        return None
    measured = measured_at(ablations, place, mode)
    if measured.position.size == 0:
        return None
    if on == "hidden_pre":
        found, baseline = measured.hidden_pre_effect, float(ablations.hidden_pre_baseline[place])
    else:
        found, baseline = measured.effect, float(ablations.baseline[place])
    by_position = dict(zip(measured.position.tolist(), found.tolist(), strict=True))
    shares = {
        position: effect / baseline
        for position, effect in by_position.items()
        if baseline > 0 and math.isfinite(effect)
    }
    return Effects(mode, baseline, by_position, shares, on)


def window_of(material: Material, group: Group, row: int) -> Window | None:
    """The stored window of an example; None where its context is not stored."""
    if (group, row) not in material.windows:
        stored = material.groups[group]
        start, stop = int(stored.window_start[row]), int(stored.window_stop[row])
        material.windows[group, row] = text_of(material, stored, row, start, stop)
    return material.windows[group, row]


def text_of(
    material: Material, stored: ExampleGroup, row: int, start: int, stop: int
) -> Window | None:
    """The tokens of an example from one position of its context up to (not including) another.

    None where the context is not stored. The activations are those of the whole context.
    """
    tokens = material.text(int(stored.context_id[row]), start, stop)
    if tokens is None:
        return None
    inside = slice(int(stored.firing_indptr[row]), int(stored.firing_indptr[row + 1]))
    counted = [not token.special for token in tokens]
    if start == 0 and material.sae.corpus.first_position == 0:
        counted[:1] = [False]
    return Window(
        tokens,
        start,
        int(stored.position[row]),
        dict(
            zip(
                stored.firing_position[inside].tolist(),
                stored.firing_activation[inside].tolist(),
                strict=True,
            )
        ),
        counted,
    )
