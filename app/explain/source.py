"""The texts of features as an atlas holds them, with what the events beside it add.

Takes an open atlas and one of its dictionaries; gives each feature's split, and what a reading
scores. Texts of other features are only used where the events can say that the feature is silent in
them. Knows no endpoint, no prompt and no notebook.
"""

from collections.abc import Iterator
from functools import cached_property
from threading import Lock

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.examples import get_contexts, get_groups
from app.db.features import column_values
from app.db.records import ContextRecord, ExampleGroup, Group, TokenRecord
from app.db.tokens import get_tokens
from app.evidence.event_files import SaeEvents
from app.evidence.ground import make_ground
from app.evidence.reading import evidence_of
from app.explain.split import N_BANDS, Split, split_texts
from app.explain.texts import STRONGEST, Kind, Text, join_characters, window_around
from app.notebook.records import Evidence
from app.stats.events import FeatureEvents
from app.stats.histogram import equal_width_edges
from app.stats.reading.ground import Ground

_ACTIVE: tuple[Group, ...] = ("interval", "quantile", "top")
_SILENT: tuple[Group, ...] = ("near", "silent")
_MOST_OTHERS = 200
"""Features asked for a text before a feature's own silent ones have to do."""


class Source:
    """One dictionary of an open atlas."""

    def __init__(self, connection: Connection, sae: Sae, events: SaeEvents | None) -> None:
        self.sae = sae
        self.has_events = events is not None
        self.connection = connection
        self._events = events
        self._tokens: dict[int, TokenRecord] = {}
        self._lock = Lock()

    @cached_property
    def living(self) -> Int[ndarray, " n"]:
        """Every feature but those that never fired, ascending."""
        names = ("feature_index", "n_active")
        found = column_values(self.connection, self.sae.sae_id, names)
        return found["feature_index"][found["n_active"] != 0].astype(np.int64)

    def split(self, feature_index: int, seed: int) -> Split:
        """The texts of a feature that fires, by what they are for."""
        active = self._texts(feature_index, _ACTIVE)
        silent = [text for text in self._texts(feature_index, _SILENT) if not text.firing]
        others = self._others(feature_index, seed)
        return split_texts(active, silent, others, seed, feature_index)

    def evidence(self, feature_index: int, reading: str) -> Evidence | None:
        """What a reading scores; None without events. Takes up to a second; safe in a thread.

        Raises:
            ReadingError: it can't be read.
        """
        if self._events is None:
            return None
        with self._lock:
            return evidence_of(
                reading, self._events, self._ground, feature_index, self.sae.corpus.hash
            )

    @cached_property
    def _ground(self) -> Ground:
        assert self._events is not None
        with self.connection.engine.connect() as connection:  # another thread's
            return make_ground(connection, self.sae, self._events.corpus)

    def _texts(self, feature_index: int, groups: tuple[Group, ...]) -> list[Text]:
        """The windows of some groups, group after group."""
        found = get_groups(self.connection, self.sae.sae_id, feature_index, ["top", *groups])
        if "top" not in found or not found["top"][0].activation.size:
            return []
        maximum = float(found["top"][0].activation.max())
        chosen: list[tuple[Kind, ExampleGroup]] = [
            (_kind(group), found[group][0]) for group in groups if group in found
        ]
        contexts = self._contexts([int(i) for _, own in chosen for i in own.context_id])
        return [
            self._text(kind, contexts[int(own.context_id[row])], own, row, maximum)
            for kind, own in chosen
            for row in range(own.position.size)
        ]

    def _text(
        self, kind: Kind, context: ContextRecord, own: ExampleGroup, row: int, maximum: float
    ) -> Text:
        firings = slice(own.firing_indptr[row], own.firing_indptr[row + 1])
        strengths = np.zeros(context.token_ids.size, np.int64)
        strengths[own.firing_position[firings]] = _strengths(
            own.firing_activation[firings], maximum
        )
        return self._cut(kind, context, int(own.position[row]), float(own.activation[row]),
                         strengths, maximum)  # fmt: skip

    def _cut(
        self,
        kind: Kind,
        context: ContextRecord,
        position: int,
        activation: float,
        strengths: Int[ndarray, " context_size"],
        maximum: float,
    ) -> Text:
        tokens = [self._tokens[i] for i in context.token_ids.tolist()]
        start, stop = window_around(position, tokens)
        pieces, shown = join_characters(tokens[start:stop], strengths[start:stop].tolist())
        band = -1
        if kind == "active":
            borders = equal_width_edges(maximum, N_BANDS)[1:-1]
            band = int(np.searchsorted(borders, activation, side="left"))
        return Text(kind, context.context_id, position, band, pieces, shown)

    def _others(self, feature_index: int, seed: int) -> Iterator[Text]:
        """Windows of other features, drawn one feature at a time, in which this one is silent."""
        if self._events is None:
            return
        own = self._events.feature(feature_index)
        rng = np.random.default_rng([seed, feature_index, 1])
        drawn = rng.permutation(self.living[self.living != feature_index])[:_MOST_OTHERS]
        for other in drawn.tolist():
            found = get_groups(self.connection, self.sae.sae_id, other, ["interval"])
            if "interval" not in found or not found["interval"][0].position.size:
                continue
            group = found["interval"][0]
            row = int(rng.integers(group.position.size))
            context_id = int(group.context_id[row])
            context = self._contexts([context_id])[context_id]
            strengths = _firings_in(own, context)
            text = self._cut("other", context, int(group.position[row]), 0.0, strengths, 0.0)
            if not text.firing:
                yield text

    def _contexts(self, context_ids: list[int]) -> dict[int, ContextRecord]:
        """Stored contexts, their tokens' texts at hand."""
        found = get_contexts(self.connection, self.sae.corpus_id, context_ids)
        ids = {int(i) for context in found.values() for i in np.unique(context.token_ids)}
        if missing := ids - self._tokens.keys():
            self._tokens |= get_tokens(self.connection, self.sae.model_id, missing)
        return found


def _kind(group: Group) -> Kind:
    if group == "near":
        return "near"
    return "silent" if group == "silent" else "active"


def _strengths(activation: Float[ndarray, " n"], maximum: float) -> Int[ndarray, " n"]:
    """Tenths of the maximum, rounded up: whatever fires is at least 1."""
    return np.clip(np.ceil(activation * STRONGEST / maximum), 1, STRONGEST).astype(np.int64)


def _firings_in(events: FeatureEvents, context: ContextRecord) -> Int[ndarray, " context_size"]:
    """1 where a feature fires in a context, by its events."""
    found = np.zeros(context.token_ids.size, np.int64)
    low, high = np.searchsorted(events.context_id, [context.context_id, context.context_id + 1])
    found[events.position[low:high]] = 1
    return found
