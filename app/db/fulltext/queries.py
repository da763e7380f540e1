"""Full-text queries: the places of words and phrases, the examples that show them, summaries.

A corpus' layout and a dictionary's example windows are read whole once (`load_text`,
`load_examples`) and kept by the caller; the places of a word are read when it is asked for. Every
place is exact: phrases are found by the numbers of their words, no text is compared again.
Read-only; knows no page and no query language.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np
from jaxtyping import Bool, Float, Int, Integer
from numpy import ndarray
from sqlalchemy import ColumnElement, Connection, select

from app.db import schema
from app.db.fulltext.records import ExamplePlaces, TextLayout, unpack_numbers
from app.db.stored import codec
from app.db.stored.compact import unpack_one
from app.db.stored.rankings import from_rounded_bits

NEAR = 4
"""Tokens after a match in which a peak still counts as near it: a feature can answer only to what
stands before."""

_LAST = "\U0010ffff"
_DENSE = 64
"""Looking a window up in a sorted list costs about as much as counting this many tokens."""


@dataclass(frozen=True)
class Text:
    """The words of one corpus' stored contexts; flat places are context row · size + position."""

    corpus_id: int
    context_size: int
    context_id: Int[ndarray, " n_contexts"]
    """ascending"""
    start: Int[ndarray, " n_words"]
    """flat place of the token in which a word begins"""
    stop: Int[ndarray, " n_words"]
    """flat place after the token in which it ends"""

    @property
    def n_tokens(self) -> int:
        return self.context_id.size * self.context_size


@dataclass(frozen=True)
class Spans:
    """Matches in a text as flat places, ascending in both; none lies inside another."""

    start: Int[ndarray, " n"]
    stop: Int[ndarray, " n"]
    """exclusive"""


@dataclass(frozen=True)
class Examples:
    """The distinct examples of one dictionary, by (feature, activation descending)."""

    d_sae: int
    feature: Int[ndarray, " n"]
    row_of_context: Int[ndarray, " n"]
    start: Int[ndarray, " n"]
    """flat place of the window's first token"""
    stop: Int[ndarray, " n"]
    """flat place after its last"""
    peak: Int[ndarray, " n"]
    """flat place of its peak"""
    relative: Float[ndarray, " n"]
    """its activation as a share of the feature's largest"""
    group: Integer[ndarray, " n"]
    """place in `fulltext_records.EXAMPLE_GROUPS`"""
    row: Integer[ndarray, " n"]
    """in its group, from 0"""
    n_examples: Int[ndarray, " d_sae"]

    def __len__(self) -> int:
        return self.feature.size


def load_layout(connection: Connection, corpus_id: int) -> TextLayout:
    """The layout of a corpus' words as it is stored."""
    table = schema.text_layout
    blob = connection.execute(select(table.c.layout).where(table.c.corpus_id == corpus_id))
    return codec.unpack(TextLayout, blob.scalar_one())


def load_text(connection: Connection, corpus_id: int) -> Text:
    """Where every word of a corpus stands."""
    layout = load_layout(connection, corpus_id)
    n_contexts = layout.context_id.size
    size = layout.context_size
    flat = np.int32 if (n_contexts + 1) * size < 2**31 else np.int64
    origin = np.repeat(np.arange(n_contexts, dtype=flat) * size, np.diff(layout.first_word))
    return Text(
        corpus_id, size, layout.context_id, layout.start + origin, layout.stop + origin
    )  # fmt: skip


def example_places(connection: Connection, sae_id: int) -> Iterator[tuple[int, ExamplePlaces]]:
    """(first feature, the examples of it and those that follow) of a dictionary, some at a time."""
    table = schema.example_places
    rows = connection.execute(
        select(table.c.first_feature, table.c.places)
        .where(table.c.sae_id == sae_id)
        .order_by(table.c.first_feature)
    )
    for row in rows:
        yield row.first_feature, unpack_one(ExamplePlaces, row.places)


def load_examples(connection: Connection, sae_id: int, d_sae: int, text: Text) -> Examples:
    """The example windows of a dictionary, placed in the text of its corpus."""
    chunks = list(example_places(connection, sae_id))
    flat = text.start.dtype

    def joined(name: str, kind: type | np.dtype) -> ndarray:
        return np.concatenate(
            [np.zeros(0, kind), *(getattr(c, name).astype(kind) for _, c in chunks)]
        )

    feature = np.concatenate(
        [np.zeros(0, np.int32), *(c.feature.astype(np.int32) + first for first, c in chunks)]
    )
    context_row = np.searchsorted(text.context_id, joined("context_id", np.int64)).astype(flat)
    origin = context_row * text.context_size
    position = joined("position", flat)
    activation = from_rounded_bits(joined("activation", np.int64))
    n_examples = np.bincount(feature, minlength=d_sae)
    largest = np.zeros(d_sae, np.float32)
    strongest = (np.cumsum(n_examples) - n_examples)[n_examples > 0]
    largest[n_examples > 0] = activation[strongest]
    return Examples(
        d_sae,
        feature,
        context_row,
        origin + position - joined("before", flat),
        origin + position + joined("after", flat),
        origin + position,
        activation / largest[feature],
        joined("group", np.uint8),
        joined("row", np.uint16),
        n_examples,
    )


def find_phrase(
    connection: Connection, text: Text, words: Sequence[str], prefix: bool = False
) -> Spans:
    """Where these words stand one after another; with `prefix` the last may be longer.

    Words as `words.words_of` gives them; no words are found nowhere.
    """
    found = np.zeros(0, np.int64)
    for i, word in enumerate(words):
        last = i == len(words) - 1
        places = _places(connection, text.corpus_id, word, prefix and last)
        # Both lists ascend and hold nothing twice.
        found = places if i == 0 else np.intersect1d(found + 1, places, assume_unique=True)
        if found.size == 0:
            break
    start = text.start[found - len(words) + 1]
    stop = text.stop[found]
    # Two signs in one token are one place; of places with one start the shortest says it all.
    kept = np.ones(found.size, bool)
    kept[1:] = start[1:] != start[:-1]
    start, stop = start[kept], stop[kept]
    kept = np.ones(start.size, bool)
    kept[:-1] = stop[:-1] != stop[1:]
    return Spans(start[kept], stop[kept])


class Matches:
    """The matches of one phrase in one text, asked for by the windows of many examples."""

    def __init__(self, text: Text, spans: Spans) -> None:
        self.text = text
        self.spans = spans

    def shown_in(self, examples: Examples) -> Bool[ndarray, " n_examples"]:
        """The examples whose window holds a whole match."""
        spans, size = self.spans, self.text.context_size
        hit = np.zeros(self.text.context_id.size, bool)
        hit[spans.start // size] = True
        # Matches before `ended` end in the window, those from `begun` on begin in it.
        if hit.mean() * len(examples) * _DENSE >= self.text.n_tokens:
            return self._ended.take(examples.stop) > self._begun.take(examples.start)
        candidate = np.flatnonzero(hit[examples.row_of_context])
        begun = np.searchsorted(spans.start, examples.start[candidate])
        ended = np.searchsorted(spans.stop, examples.stop[candidate], side="right")
        shown = np.zeros(examples.feature.size, bool)
        shown[candidate] = ended > begun
        return shown

    def near_peak(self, examples: Examples, rows: Int[ndarray, " m"]) -> Bool[ndarray, " m"]:
        """Which of these examples peak on a match or up to NEAR tokens after one, same context."""
        return self._near.take(examples.peak.take(rows))

    def inside(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The matches that lie wholly in a range of flat places."""
        begun = int(np.searchsorted(self.spans.start, start))
        ended = int(np.searchsorted(self.spans.stop, stop, side="right"))
        return [(int(self.spans.start[i]), int(self.spans.stop[i])) for i in range(begun, ended)]

    @cached_property
    def _begun(self) -> Int[ndarray, " n_tokens_plus_1"]:
        return _counts(self.spans.start, self.text.n_tokens)

    @cached_property
    def _ended(self) -> Int[ndarray, " n_tokens_plus_1"]:
        return _counts(self.spans.stop - 1, self.text.n_tokens)

    @cached_property
    def _near(self) -> Bool[ndarray, " n_tokens"]:
        spans, size = self.spans, self.text.context_size
        marked = np.zeros(self.text.n_tokens, bool)
        if spans.start.size:
            end_of_context = (spans.start // size + 1) * size
            limit = np.minimum(spans.stop + NEAR, end_of_context)
            for step in range(int((limit - spans.start).max())):
                place = spans.start + step
                marked[place[place < limit]] = True
        return marked


def features_by_summary(
    connection: Connection, sae_id: int, words: Sequence[tuple[str, bool]]
) -> tuple[Int[ndarray, " n"], int]:
    """The features whose summary has all of these words, those with all in the short form first.

    A word with True may be longer. Inside the two parts by feature_index; the number says how many
    the first part has.
    """
    table = schema.summary_word
    whole: list[ndarray] = []
    short: list[ndarray] = []
    for word, longer in words:
        rows = connection.execute(
            select(table.c.features, table.c.features_short).where(
                table.c.sae_id == sae_id, _is_word(table, word, longer)
            )
        ).all()
        whole.append(_union([unpack_numbers(row.features) for row in rows]))
        short.append(_union([unpack_numbers(row.features_short) for row in rows]))
    if not words:
        return np.zeros(0, np.int64), 0
    first = reduce(np.intersect1d, short)
    return np.concatenate([first, np.setdiff1d(reduce(np.intersect1d, whole), first)]), first.size


def _places(connection: Connection, corpus_id: int, word: str, prefix: bool) -> Int[ndarray, " n"]:
    table = schema.text_word
    blobs = connection.scalars(
        select(table.c.places).where(table.c.corpus_id == corpus_id, _is_word(table, word, prefix))
    )
    return _union([unpack_numbers(blob) for blob in blobs])


def _is_word(table: schema.Table, word: str, prefix: bool) -> ColumnElement[bool]:
    column = table.c.word
    return column.between(word, word + _LAST) if prefix else column == word


def _union(lists: list[Int[ndarray, " _"]]) -> Int[ndarray, " n"]:
    if len(lists) == 1:
        return lists[0]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *lists]))


def _counts(places: Int[ndarray, " n"], n_tokens: int) -> Int[ndarray, " n_tokens_plus_1"]:
    """At x: how many places lie below x."""
    marked = np.zeros(n_tokens + 1, np.int32)
    marked[places + 1] = 1
    return np.cumsum(marked, dtype=np.int32)
