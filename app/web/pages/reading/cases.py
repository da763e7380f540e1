"""The places a reading's lists show: each as a line of tokens like any example.

Takes places, a feature's events and the contexts they lie in; gives lines ready to print. Knows
neither the reading nor how the places were chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.records import TokenRecord
from app.evidence.event_files import SaeEvents
from app.stats.events import FeatureEvents
from app.web import text
from app.web.memory import Memory
from app.web.pages.examples.token_line import Line, Window, activation_line
from app.web.pages.feature.material import unknown_token
from app.web.urls import context_url

TOKENS_BEFORE, TOKENS_AFTER = 24, 8


@dataclass(frozen=True)
class Case:
    """One place on the page."""

    value: str
    """activation, 0 where it is silent"""
    line: Line
    context_id: int
    position: int
    document: str
    url: str
    """of the whole context, this place chosen"""


@dataclass(frozen=True)
class CaseWindow:
    """One place with the tokens around it."""

    context_id: int
    activation: float
    window: Window
    document: str


def case_windows(
    connection: Connection,
    sae: Sae,
    memory: Memory,
    source: SaeEvents,
    events: FeatureEvents,
    places: Sequence[int],
) -> list[CaseWindow]:
    """The tokens around each place, cut at the context's edges, with the feature's activations."""
    corpus = source.corpus
    spans = []
    for place in places:
        context_id, position = divmod(place, corpus.context_size)
        start = max(0, position - TOKENS_BEFORE)
        stop = min(corpus.context_size, position + TOKENS_AFTER + 1)
        spans.append((context_id, position, start, stop))
    ids = {i for c, _, start, stop in spans for i in corpus.tokens[c, start:stop].tolist()}
    known = memory.tokens(connection, sae.model_id, ids)
    return [_case_window(source, events, known, *span) for span in spans]


def _case_window(
    source: SaeEvents,
    events: FeatureEvents,
    known: dict[int, TokenRecord],
    context_id: int,
    position: int,
    start: int,
    stop: int,
) -> CaseWindow:
    corpus = source.corpus
    first = context_id * corpus.context_size
    inside = slice(*np.searchsorted(events.places, [first + start, first + stop]).tolist())
    activations = dict(
        zip(events.position[inside].tolist(), events.activation[inside].tolist(), strict=True)
    )
    window = Window(
        [known.get(i) or unknown_token(i) for i in corpus.tokens[context_id, start:stop].tolist()],
        start,
        position,
        activations,
        corpus.counted[context_id, start:stop].tolist(),
    )
    document_id = int(corpus.document_ids[context_id, position])
    names = corpus.document_names
    document = names[document_id] if 0 <= document_id < len(names) else ""
    return CaseWindow(context_id, activations.get(position, 0.0), window, document)


def shown_case(sae: Sae, feature_index: int, case: CaseWindow, maximum: float) -> Case:
    """A place ready to print, coloured in steps of `maximum`."""
    position = case.window.peak
    view = [("position", str(position)), ("feature", str(feature_index))]
    return Case(
        text.number(case.activation),
        activation_line(case.window, maximum),
        case.context_id,
        position,
        case.document,
        context_url(sae, case.context_id, view),
    )
