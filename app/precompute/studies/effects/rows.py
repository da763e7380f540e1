"""Rows of a pass in which one text goes on several times, each time changed at another place.

As a tree, the unchanged text stands in the row once and every continuation after it: its tokens see
the text before their place and each other. As sequences, the text and every continuation have rows
of their own. Takes texts with places, gives rows and where in them the predictions lie. Knows no
model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer

from app.precompute.ablation.tree_attention import TAIL_TOKENS

LOGIT_ELEMENTS = 2**24
"""Most logits of one pass: some 200 MB for each worker, with what is computed of them."""


@dataclass(frozen=True, slots=True)
class Place:
    """A position of a text at which it goes on changed."""

    text: int
    """which of the texts"""
    position: int
    n_read: int
    """predictions read, from this position on"""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a pass; arrays are per token."""

    text: int
    position: Integer[np.ndarray, " n_tokens"]
    """of the token in its text"""
    segment: Integer[np.ndarray, " n_tokens"]
    """0 in the text, 1, 2, … in its continuations"""
    attach: Integer[np.ndarray, " n_tokens"]
    """tokens of segment 0 that a continuation sees"""


@dataclass(frozen=True, slots=True)
class Pass:
    """Rows run together, and for each of some places where it is read: (row, first column)."""

    places: list[int]
    """indices into the places that were asked for"""
    rows: list[Row]
    clean: list[tuple[int, int]]
    changed: list[tuple[int, int]]

    @property
    def n_tokens(self) -> int:
        """Of all rows, padding included."""
        return len(self.rows) * max(len(row.position) for row in self.rows)


def passes(places: Sequence[Place], d_vocab: int, trees: bool, batch_tokens: int) -> Iterator[Pass]:
    """All places, those of one text beside each other, in passes of bounded size.

    `batch_tokens`: most tokens of a pass, padding included, unless a single text has more.
    """
    groups = list(_groups(places, d_vocab))
    groups.sort(key=lambda group: -_end(places, group))
    made: list[Pass] = []
    for group in groups:
        own = (_tree if trees else _sequences)(places, group)
        if made and not _fits([*made, own], places, d_vocab, batch_tokens):
            yield _joined(made)
            made = []
        made.append(own)
    if made:
        yield _joined(made)


def most_tokens(
    n_places: int, n_texts: int, n_tokens: int, n_read: int, d_vocab: int, trees: bool
) -> int:
    """Tokens of all passes at most, without padding: of `n_places` in `n_texts` texts or fewer, of
    at most `n_tokens` each, every place read at no more than `n_read` tokens."""
    n_groups = min(n_places, n_texts + n_places // _places_a_row(n_read, d_vocab))
    return n_groups * n_tokens + n_places * (n_read if trees else n_tokens)


def _places_a_row(n_read: int, d_vocab: int) -> int:
    return max(1, min(TAIL_TOKENS // n_read, LOGIT_ELEMENTS // (2 * n_read * d_vocab)))


def _groups(places: Sequence[Place], d_vocab: int) -> Iterator[list[int]]:
    """Places of one text that share a row."""
    group: list[int] = []
    for index, place in enumerate(places):
        full = group and len(group) >= _places_a_row(
            max(places[i].n_read for i in (*group, index)), d_vocab
        )
        if group and (full or places[group[0]].text != place.text):
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def _end(places: Sequence[Place], group: Sequence[int]) -> int:
    return max(places[i].position + places[i].n_read for i in group)


def _tree(places: Sequence[Place], group: list[int]) -> Pass:
    own = [places[i] for i in group]
    lengths = [_end(places, group), *(place.n_read for place in own)]
    starts = np.cumsum([0, *lengths[:-1]])
    firsts = [0, *(place.position for place in own)]
    segment = np.repeat(np.arange(len(lengths)), lengths)
    position = np.arange(sum(lengths)) - np.repeat(starts - firsts, lengths)
    row = Row(own[0].text, position, segment, np.repeat(firsts, lengths))
    return Pass(
        group,
        [row],
        [(0, place.position) for place in own],
        [(0, int(start)) for start in starts[1:]],
    )


def _sequences(places: Sequence[Place], group: list[int]) -> Pass:
    own = [places[i] for i in group]
    ends = [_end(places, group), *(place.position + place.n_read for place in own)]
    rows = [
        Row(own[0].text, np.arange(end), np.zeros(end, np.int64), np.zeros(end, np.int64))
        for end in ends
    ]
    return Pass(
        group,
        rows,
        [(0, place.position) for place in own],
        [(row, place.position) for row, place in enumerate(own, start=1)],
    )


def _joined(parts: Sequence[Pass]) -> Pass:
    joined = Pass([], [], [], [])
    for part in parts:
        first = len(joined.rows)
        joined.places.extend(part.places)
        joined.rows.extend(part.rows)
        joined.clean.extend((first + row, column) for row, column in part.clean)
        joined.changed.extend((first + row, column) for row, column in part.changed)
    return joined


def _fits(parts: Sequence[Pass], places: Sequence[Place], d_vocab: int, batch_tokens: int) -> bool:
    joined = _joined(parts)
    n_read = sum(places[i].n_read for i in joined.places)
    return joined.n_tokens <= batch_tokens and 2 * n_read * d_vocab <= LOGIT_ELEMENTS
