"""Features by what their stored examples show: words, beginnings of words, phrases.

Takes the terms of a search and, of each dictionary, the text and the example windows; gives a
ranking of features. An example counts where its window (47 tokens before the peak, 16 after) shows
every term and none that is left out. Features come by how many of their examples peak on a match
or at most four tokens after it, then by how many show it at all, then by the strongest of those as
a share of the feature's largest activation. Knows no page.
"""

import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.fulltext.queries import Examples, Matches, Text, find_phrase
from app.db.fulltext.words import words_of
from app.web.memory import Memory
from app.web.pages.search.only import Features, among
from app.web.pages.search.query import Term

SHORTEST_BEGINNING = 2
"""Letters of a beginning (`de*`) from which examples are searched for it."""


@dataclass(frozen=True)
class ExampleHit:
    """One feature whose examples show what is searched."""

    sae: Sae
    feature_index: int
    n_showing: int
    """distinct examples that show it"""
    n_near: int
    """those that peak on it, or up to four tokens after it"""
    n_examples: int
    """distinct stored examples"""
    best: int
    """row in `examples`: the strongest that peaks near it, else the strongest that shows it"""
    examples: Examples
    matches: Sequence[Matches]
    """of the terms that are to be there"""


@dataclass(frozen=True)
class _Found:
    """The features of one dictionary, ascending."""

    sae: Sae
    examples: Examples
    matches: Sequence[Matches]
    rows: Int[ndarray, " m"]
    """rows in `examples` that show it, feature by feature, strongest first"""
    near: Bool[ndarray, " m"]
    """of those, the ones that peak near it"""
    start: Int[ndarray, " n"]
    """where each feature's begin"""
    feature: Int[ndarray, " n"]
    n_showing: Int[ndarray, " n"]
    n_near: Int[ndarray, " n"]
    key: Float[ndarray, " n"]
    """what they are ranked by, larger first"""

    def best(self, place: int) -> int:
        """The strongest example of a feature that peaks near it, else the strongest."""
        first = int(self.start[place])
        inside = slice(first, first + int(self.n_showing[place]))
        return int(self.rows[first + int(self.near[inside].argmax())])


class ExampleRanking:
    """All features of some dictionaries that show it, best first; ties by dictionary and number."""

    mode = "examples"

    def __init__(self, found: Sequence[_Found]) -> None:
        self._found = found
        key = np.concatenate([np.zeros(0), *(one.key for one in found)])
        self._number = np.repeat(np.arange(len(found)), [one.feature.size for one in found])
        self._row = np.concatenate(
            [np.zeros(0, np.int64), *(np.arange(one.feature.size) for one in found)]
        )
        self._order = np.argsort(-key, kind="stable")

    def __len__(self) -> int:
        return self._order.size

    def only(self, features: Features) -> "ExampleRanking":
        """The same without all other features."""
        every = np.concatenate([np.zeros(0, np.int64), *(one.feature for one in self._found)])
        sae_ids = [one.sae.sae_id for one in self._found]
        kept = among(features, sae_ids, self._number[self._order], every[self._order])
        cut = copy(self)
        cut._order = self._order[kept]
        return cut

    def hits(self, start: int, stop: int) -> list[ExampleHit]:
        """The hits at these places."""
        return [self._hit(int(place)) for place in self._order[start:stop]]

    def find(self, address: str, feature_index: int) -> int | None:
        """The place of a feature, or None where it isn't ranked."""
        for number, one in enumerate(self._found):
            if one.sae.address == address:
                rows = np.flatnonzero(one.feature == feature_index)
                here = (self._number == number) & np.isin(self._row, rows)
                places = np.flatnonzero(here[self._order])
                return int(places[0]) if places.size else None
        return None

    def _hit(self, place: int) -> ExampleHit:
        one, row = self._found[self._number[place]], self._row[place]
        feature = int(one.feature[row])
        return ExampleHit(
            one.sae,
            feature,
            int(one.n_showing[row]),
            int(one.n_near[row]),
            int(one.examples.n_examples[feature]),
            one.best(int(row)),
            one.examples,
            one.matches,
        )


def rank_examples(
    connection: Connection, memory: Memory, saes: Sequence[Sae], terms: Sequence[Term]
) -> ExampleRanking:
    """The features of these dictionaries whose examples show the terms."""
    of_corpus: dict[int, tuple[list[Matches], list[Matches]] | None] = {}
    found: list[_Found] = []
    for sae in saes:
        text = memory.words(connection, sae.corpus_id)
        if sae.corpus_id not in of_corpus:
            of_corpus[sae.corpus_id] = _matches(connection, text, terms)
        matches = of_corpus[sae.corpus_id]
        if matches is not None:
            found.append(_find(sae, memory.examples(connection, sae, text), *matches))
    return ExampleRanking(found)


def searchable(term: Term) -> bool:
    """Whether a term has words that can be looked for."""
    short = term.kind == "prefix" and len(term.text.strip()) < SHORTEST_BEGINNING
    return bool(words_of(term.text)) and not short


def _matches(
    connection: Connection, text: Text, terms: Sequence[Term]
) -> tuple[list[Matches], list[Matches]] | None:
    """Matches of what is to be there and of what is not; None where nothing can be there."""
    included: list[Matches] = []
    excluded: list[Matches] = []
    for term in terms:
        if not searchable(term):
            continue
        open_phrase = term.kind == "phrase" and re.search(r"\w\*$", term.text) is not None
        words = words_of(term.text.removesuffix("*") if open_phrase else term.text)
        spans = find_phrase(connection, text, words, open_phrase or term.kind == "prefix")
        if spans.start.size == 0 and not term.excluded:
            return None
        (excluded if term.excluded else included).append(Matches(text, spans))
    return (included, excluded) if included else None


def _find(sae: Sae, examples: Examples, included: list[Matches], excluded: list[Matches]) -> _Found:
    shown = np.logical_and.reduce([matches.shown_in(examples) for matches in included])
    for matches in excluded:
        shown &= ~matches.shown_in(examples)
    rows = np.flatnonzero(shown)
    near = np.logical_or.reduce([matches.near_peak(examples, rows) for matches in included])
    of_row = examples.feature.take(rows)
    begins = np.ones(rows.size, bool)
    np.not_equal(of_row[1:], of_row[:-1], out=begins[1:])
    start = np.flatnonzero(begins)
    n_showing = np.diff(start, append=rows.size)
    n_near = np.add.reduceat(near, start, dtype=np.int64) if rows.size else n_showing
    # No feature has a thousand examples, and the last part is at most 1.
    key = n_near * 1e6 + n_showing * 1e3 + examples.relative[rows[start]]
    return _Found(sae, examples, included, rows, near, start, of_row[start], n_showing, n_near, key)
