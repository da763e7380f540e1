"""The table of one example: every token of its window with everything measured on it, exactly.

What hovering shows with a script, this shows without one. Knows no address.
"""

import math
from dataclasses import dataclass

from app.db.records import AblationGroup
from app.web import text
from app.web.pages.examples.choice import Source
from app.web.pages.examples.stored import MODES, effects_of, measured_at, place_of, text_of
from app.web.pages.examples.token_line import Effects, exact
from app.web.pages.feature.material import Material

SEARCHED_CHARACTERS = 400
"""Longer tokens can't be searched for by their text."""


@dataclass(frozen=True)
class ValueRow:
    """Everything measured on one token of a marked example, as text."""

    position: int
    relative: str
    token_id: int
    token: str
    """exact text"""
    searched: bool
    """whether the features that fire on it can be asked for"""
    activation: str
    delete: str
    """difference of activation, with its percentage; empty where not measured"""
    replace: str
    delete_hidden_pre: str
    replace_hidden_pre: str
    css: str


def value_rows(material: Material, source: Source, row: int) -> list[ValueRow]:
    """One row for every token of the stored window, in order; none where its text is not stored."""
    stored = source.stored
    start, stop = int(stored.window_start[row]), int(stored.window_stop[row])
    window = text_of(material, stored, row, start, stop)
    if window is None:
        return []
    both = {mode: effects_of(source.ablations, row, mode) for mode in MODES}
    before = {mode: _hidden_pre_effects(source.ablations, row, mode) for mode in MODES}
    rows = []
    for i, token in enumerate(window.tokens):
        position = window.start + i
        relative = position - window.peak
        names = (("peak-row", relative == 0), ("uncounted", not window.counted[i]))
        rows.append(
            ValueRow(
                position=position,
                relative="peak" if relative == 0 else f"{relative:+d}".replace("-", "−"),
                token_id=token.token_id,
                token=token.token,
                searched=not token.special and 0 < len(token.token) <= SEARCHED_CHARACTERS,
                activation=exact(window.activations.get(position, 0.0)),
                delete=_effect_text(both["delete"], position),
                replace=_effect_text(both["replace"], position),
                delete_hidden_pre=_signed_exact(before["delete"].get(position)),
                replace_hidden_pre=_signed_exact(before["replace"].get(position)),
                css=" ".join(name for name, holds in names if holds),
            )
        )
    return rows


def _hidden_pre_effects(ablations: AblationGroup | None, row: int, mode: str) -> dict[int, float]:
    place = None if ablations is None else place_of(ablations, row)
    if ablations is None or place is None:
        return {}
    found = measured_at(ablations, place, mode)
    return dict(zip(found.position.tolist(), found.hidden_pre_effect.tolist(), strict=True))


def _effect_text(effects: Effects | None, position: int) -> str:
    if effects is None or position not in effects.by_position:
        return ""
    share = effects.shares.get(position)
    value = _signed_exact(effects.by_position[position])
    return value if share is None else f"{value} ({text.signed_percent(share)})"


def _signed_exact(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:+.6g}".replace("-", "−") if value else "0"
