"""Whole contexts as strips, a mark for every firing: a feature that flickers is seen to flicker.

Takes a feature's examples and stored contexts, gives drawings in the space of positions × 10; a
place on a strip is a position in the context. Knows no query and no address.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from app.db.records import ContextRecord, FeatureRecord
from app.web import text
from app.web.charts.scales import HEAT_STEPS, Tick, linear_ticks
from app.web.pages.feature.busiest_contexts import BusyContext, busiest_contexts
from app.web.pages.feature.material import Material

HEIGHT = 10


@dataclass(frozen=True)
class StripMarks:
    """The firings of one colour step as one path of strokes."""

    css: str
    path: str


@dataclass(frozen=True)
class ContextStrip:
    """One whole context."""

    context_id: int
    marks: list[StripMarks]
    ticks: str
    """path of a short stroke at the foot of every firing: the palest colour alone is not seen"""
    borders: str
    """path of strokes where a document begins inside it; empty where none does"""
    uncounted: str
    """path of the stretches that are in no statistic: position 0, BOS, separators, padding"""
    count: str
    label: str


@dataclass(frozen=True)
class Strips:
    """The busiest stored contexts under one axis of positions."""

    rows: list[ContextStrip]
    size: int
    """of a context, the width of the drawing's space"""
    ticks: list[Tick]


def build_strips(material: Material) -> Strips | None:
    """The strips, or None where no stored context holds a firing, or only texts of examples are."""
    if material.sae.record.imported is not None:
        return None
    rows = strip_rows(material.record, busiest_contexts(material.groups), material.contexts)
    size = material.sae.corpus.context_size
    return Strips(rows, size, _ticks(size)) if rows else None


def strip_rows(
    record: FeatureRecord, busy: Sequence[BusyContext], contexts: Mapping[int, ContextRecord]
) -> list[ContextStrip]:
    """One strip for each of these contexts that is stored; colours go up to the feature's max."""
    maximum = record.max_activation or 0.0
    return [
        _strip(each, contexts[each.context_id], maximum)
        for each in busy
        if each.context_id in contexts
    ]


def _ticks(size: int) -> list[Tick]:
    """Round positions; the axis ends with the context."""
    inner = [tick for tick in linear_ticks(0, size, 4) if tick.at < 92]
    return [*inner, Tick(100.0, f"{size:,}")]


def _strip(busy: BusyContext, context: ContextRecord, maximum: float) -> ContextStrip:
    n, strongest = busy.position.size, int(np.argmax(busy.activation))
    firings = f"{n:,} firing{'s' if n != 1 else ''}"
    return ContextStrip(
        context_id=busy.context_id,
        marks=_marks(busy.position, busy.activation, maximum),
        ticks=_strokes(busy.position.tolist(), HEIGHT - 2),
        borders=_borders(context.document_ids),
        uncounted=_uncounted(context.document_ids),
        count=f"{n:,}",
        label=f"context {busy.context_id}: {firings}, the strongest "
        f"{text.number(float(busy.activation[strongest]))} at position "
        f"{int(busy.position[strongest])}",
    )


def _marks(
    position: Integer[ndarray, " n"], activation: Float[ndarray, " n"], maximum: float
) -> list[StripMarks]:
    """One path for each step of the scale, the strongest last, on top."""
    share = activation.astype(np.float64) / (maximum or 1.0)
    step = np.clip(np.ceil(share * HEAT_STEPS) - 1, 0, HEAT_STEPS - 1).astype(np.int64)
    places: dict[int, list[int]] = {}
    for p, k in zip(position.tolist(), step.tolist(), strict=True):
        places.setdefault(k, []).append(p)
    return [StripMarks(f"heat-{k}", _strokes(places[k], 0)) for k in sorted(places)]


def _strokes(places: list[int], top: int) -> str:
    """A stroke from `top` down in the middle of every place, each named by how far it is from the
    one before: a page holds hundreds, and most are near."""
    down = HEIGHT - top
    steps = [f"m{after - before}-{down}v{down}" for before, after in pairwise(places)]
    return f"M{places[0]}.5 {top}v{down}{''.join(steps)}"


def _borders(document_ids: Integer[ndarray, " context_size"]) -> str:
    """Where another document begins than the one before it."""
    inside = np.flatnonzero(document_ids >= 0)
    if inside.size == 0:
        return ""
    changes = inside[1:][np.diff(document_ids[inside]) != 0]
    return "".join(f"M{p} 0v{HEIGHT}" for p in changes.tolist())


def _uncounted(document_ids: Integer[ndarray, " context_size"]) -> str:
    """Stretches of positions outside all documents, and position 0."""
    outside = document_ids < 0
    outside[:1] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[0], outside.astype(np.int8), [0]])))
    starts, stops = edges[::2].tolist(), edges[1::2].tolist()
    return "".join(f"M{a} 0h{b - a}v{HEIGHT}h-{b - a}z" for a, b in zip(starts, stops, strict=True))
