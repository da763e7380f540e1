"""One example of a feature as the page shows it: its value, its lines of text, what is said beside.

Takes a group of stored examples, a row, a feature's material and the view. Knows no query and no
address.
"""

import math
from dataclasses import dataclass
from typing import cast

from app.db.records import Group
from app.web import text
from app.web.pages.examples.choice import BAND, Choice, Source, shown_span
from app.web.pages.examples.near_misses import Sample
from app.web.pages.examples.stored import MODES, effects_of, text_of, window_of
from app.web.pages.examples.token_line import Effects, Line, Window, ablated_line, activation_line
from app.web.pages.examples.values import ValueRow, value_rows
from app.web.pages.feature.material import Material
from app.web.token_text import Pieces, text_pieces
from app.web.views import FeatureView

_MOST_SPECIALS_AT_END = 1
"""Padding is cut off a whole context; one separator at its end is text."""


@dataclass(frozen=True)
class Worst:
    """The context token whose change lowers an example's peak most."""

    pieces: Pieces
    share: str
    """signed percent of the baseline"""


@dataclass(frozen=True)
class Example:
    """One example as printed."""

    name: str
    """group and rank from 1, e.g. top-3: its anchor and its address"""
    value: str
    """activation; 0 for silent examples and near misses"""
    details: list[str]
    """what stands under the value: the ablation modes shown; where it is silent, `hidden_pre`, and
    of a near miss how far that is below firing"""
    lines: list[Line]
    context_id: int
    position: int
    place: str
    """where it stands, as its own link says it"""
    document: str
    repeats: int
    """contexts it stands for, itself included"""
    repeats_note: str
    """what they have in common; empty where it stands for itself alone"""
    worst: Worst | None
    marked: bool
    rows: list[ValueRow]
    """exact values of every token, for the marked example only"""
    note: str
    """what the effects of this example can't say; usually empty"""

    @property
    def detail(self) -> str:
        """The details on one line."""
        return ", ".join(self.details)


def layout_of(view: FeatureView) -> str:
    """How texts are laid out: a whole context doesn't fit in one line."""
    return "wrapped" if view.window == "whole" and view.layout == "aligned" else view.layout


def build_example(
    material: Material, source: Source, choice: Choice, view: FeatureView
) -> Example | None:
    """One example under a view; None where its context is not stored."""
    stored, row = source.stored, choice.row
    window = _window(material, source, row, view)
    if window is None:
        return None
    modes = MODES if view.ablation == "both" else (view.ablation,)
    found = (effects_of(source.ablations, row, mode, view.effect) for mode in modes)
    effects = [item for item in found if item is not None]
    name = f"{source.group}-{row + 1}"
    marked = name == view.example
    context = material.contexts[int(stored.context_id[row])]
    repeats = sum(int(stored.repeats[r]) for r in (row, *choice.twins))
    return Example(
        name=name,
        value=text.number(float(stored.activation[row])),
        details=_details(source, row, effects, Sample.of(material.sae, material.record)),
        lines=_lines(window, _maximum(material, window, view), effects, layout_of(view)),
        context_id=context.context_id,
        position=window.peak,
        place=place_of_peak(material, context.context_id, window.peak),
        document=material.documents.get(int(context.document_ids[window.peak]), ""),
        repeats=repeats,
        repeats_note=_repeats_note(source, choice, repeats),
        worst=_worst(window, effects),
        marked=marked,
        rows=value_rows(material, source, row) if marked else [],
        note=_note(effects),
    )


def place_of_peak(material: Material, context_id: int, position: int) -> str:
    """The context's number and the position in it, where the atlas knows that."""
    first = material.sae.corpus.first_position
    return f"text {context_id}" if first is None else f"{context_id}:{first + position}"


def _window(material: Material, source: Source, row: int, view: FeatureView) -> Window | None:
    """What the view shows of a text; None where its context is not stored."""
    if view.window == "snippet" and source.group != BAND:
        return window_of(material, cast(Group, source.group), row)
    window = text_of(material, source.stored, row, *shown_span(source.stored, row, view.window))
    return _without_padding(window) if window is not None and view.window == "whole" else window


def _without_padding(window: Window) -> Window:
    """Leaves out the special tokens a context is filled up with behind its text."""
    stop = len(window.tokens)
    while stop > 0 and window.tokens[stop - 1].special:
        stop -= 1
    kept = min(len(window.tokens), stop + _MOST_SPECIALS_AT_END)
    return window.between(window.start, max(window.start + kept, window.peak + 1))


def _maximum(material: Material, window: Window, view: FeatureView) -> float:
    """What the strongest colour stands for: nothing goes beyond it."""
    if view.color == "example":
        return max(window.activations.values(), default=0.0)
    return material.record.max_activation or 0.0


def _lines(window: Window, maximum: float, effects: list[Effects], layout: str) -> list[Line]:
    if layout == "aligned":
        lines = [ablated_line(window, found) for found in effects]
        return [activation_line(window, maximum), *lines]
    return [activation_line(window, maximum, effects)]


def _details(source: Source, row: int, effects: list[Effects], sample: Sample) -> list[str]:
    hidden_pre = float(source.stored.hidden_pre[row])
    if source.group in ("silent", "near") and not math.isnan(hidden_pre):
        below = sample.below(hidden_pre) if source.group == "near" else None
        named = [] if below is None else [f"{text.number(below, 2)} below"]
        return [f"pre {text.number(hidden_pre)}", *named]
    return [found.mode for found in effects]


def _repeats_note(source: Source, choice: Choice, repeats: int) -> str:
    if repeats < 2:
        return ""
    if not choice.twins:
        return f"{repeats} contexts have the same text up to the peak; the strongest is shown"
    others = ", ".join(f"{source.group}-{row + 1}" for row in choice.twins)
    return f"{others}: the same text up to the peak as far as it is shown, folded into this one"


def _worst(window: Window, effects: list[Effects]) -> Worst | None:
    if not effects:
        return None
    stop = window.start + len(window.tokens)
    shares = {
        p: share
        for p, share in effects[0].shares.items()
        if p != window.peak and window.start <= p < stop
    }
    if not shares:
        return None
    position = min(shares, key=lambda p: (shares[p], -p))
    if not shares[position] < 0:
        return None
    token = window.tokens[position - window.start]
    return Worst(text_pieces(token.token), text.signed_percent(shares[position]))


def _note(effects: list[Effects]) -> str:
    """Percentages need a base above zero."""
    for found in effects:
        if found.by_position and not found.baseline > 0:
            name = "pre-activation" if found.on == "hidden_pre" else "activation"
            return (
                f"no percentages: its {name} without a change is {text.number(found.baseline)}, "
                "not above zero"
            )
    return ""
