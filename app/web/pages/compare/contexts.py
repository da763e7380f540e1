"""The same text with each compared feature's activations, one line under the other.

Takes the features' material and, where they lie beside the atlas, their events. Texts are the
strongest examples of each feature in turn. Of a feature whose events are not at hand, the firings
in a context are known only where one of its own examples lies in it; elsewhere, and in text of
another corpus, its line is said to be unknown, never drawn as silent. Knows no query and no page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.db.catalog import Sae
from app.stats.events import FeatureEvents
from app.web import text
from app.web.feature_numbers import Named
from app.web.pages.examples.example import place_of_peak
from app.web.pages.examples.stored import window_of
from app.web.pages.examples.token_line import Line, Window, activation_line
from app.web.pages.feature.material import Material

BEFORE, AFTER = 40, 16
"""Tokens shown around a peak."""

PER_FEATURE = {2: 4, 3: 3, 4: 2}
"""Texts taken of each feature, by how many are compared."""


@dataclass(frozen=True)
class FeatureLine:
    """One feature on one text."""

    named: Named
    line: Line
    at_peak: str
    """its activation where the text's own feature peaks"""
    known: bool
    """False where its firings in this context are not at hand"""
    values: dict[int, float]
    """activation by position, inside the text shown"""


@dataclass(frozen=True)
class ComparedText:
    """One text, a line per feature."""

    name: str
    owner: Named
    """the feature it is an example of"""
    sae: Sae
    """its dictionary"""
    feature_index: int
    context_id: int
    position: int
    place: str
    """the context and the position in it, in words"""
    start: int
    token_ids: list[int]
    lines: list[FeatureLine]


def build_compared_texts(
    materials: Sequence[Material], events: Mapping[Named, FeatureEvents] | None
) -> list[ComparedText]:
    """The strongest texts of the first feature, then of the second, and so on; a context once."""
    found: list[ComparedText] = []
    seen: set[tuple[int, int]] = set()
    for material in materials:
        stored = material.groups.get("top")
        if stored is None:
            continue
        n = 0
        for row, context_id in enumerate(stored.context_id.tolist()):
            if n == PER_FEATURE[len(materials)]:
                break
            window = window_of(material, "top", row)
            place = material.sae.corpus_id, context_id
            if window is None or place in seen:
                continue
            seen.add(place)
            n += 1
            found.append(_text(material, window.cut(BEFORE, AFTER), context_id, materials, events))
    return found


def _text(
    owner: Material,
    window: Window,
    context_id: int,
    materials: Sequence[Material],
    events: Mapping[Named, FeatureEvents] | None,
) -> ComparedText:
    index = owner.record.feature_index
    corpus = owner.sae.corpus_id
    lines = [
        _line(material, window, context_id, events, material.sae.corpus_id == corpus)
        for material in materials
    ]
    ids = [token.token_id for token in window.tokens]
    name = f"{str(owner.named).replace(':', '-')}-{context_id}-{window.peak}"
    return ComparedText(
        name,
        owner.named,
        owner.sae,
        index,
        context_id,
        window.peak,
        place_of_peak(owner, context_id, window.peak),
        window.start,
        ids,
        lines,
    )


def _line(
    material: Material,
    window: Window,
    context_id: int,
    events: Mapping[Named, FeatureEvents] | None,
    same_corpus: bool,
) -> FeatureLine:
    firings = None
    if same_corpus:
        firings = (
            _stored_firings(material, context_id)
            if events is None
            else _firings(events[material.named], context_id)
        )
    known = firings or {}
    inside = range(window.start, window.start + len(window.tokens))
    line = activation_line(
        replace(window, activations=known), material.record.max_activation or 0.0
    )
    return FeatureLine(
        material.named,
        line,
        text.number(known.get(window.peak, 0.0)) if firings is not None else text.MISSING,
        firings is not None,
        {position: value for position, value in known.items() if position in inside},
    )


def _firings(events: FeatureEvents, context_id: int) -> dict[int, float]:
    first, last = np.searchsorted(events.context_id, [context_id, context_id + 1]).tolist()
    return dict(
        zip(
            events.position[first:last].tolist(),
            events.activation[first:last].tolist(),
            strict=True,
        )
    )


def _stored_firings(material: Material, context_id: int) -> dict[int, float] | None:
    """From an example of its own in that context, which keeps the firings of all of it."""
    for stored in material.groups.values():
        rows = np.flatnonzero(stored.context_id == context_id)
        if rows.size:
            row = int(rows[0])
            inside = slice(int(stored.firing_indptr[row]), int(stored.firing_indptr[row + 1]))
            return dict(
                zip(
                    stored.firing_position[inside].tolist(),
                    stored.firing_activation[inside].tolist(),
                    strict=True,
                )
            )
    return None
