"""Features by the words of their summaries.

Takes the terms of a search, gives a ranking: the features whose short form has every word, then
those whose whole summary has, in the order of the dictionaries and by feature_index. Knows no page.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.fulltext import features_by_summary
from app.db.words import words_of
from app.web.pages.search_query import Term


@dataclass(frozen=True)
class SummaryHit:
    """One feature whose summary has the words."""

    sae: Sae
    feature_index: int
    in_short: bool
    """whether its short form has them already"""


class SummaryRanking:
    """All features of some dictionaries whose summary has the words."""

    mode = "summaries"

    def __init__(self, found: Sequence[tuple[Sae, Int[ndarray, " n"], int]]) -> None:
        parts = [(sae, part, True) for sae, features, n in found for part in [features[:n]]]
        parts += [(sae, part, False) for sae, features, n in found for part in [features[n:]]]
        self._parts = parts
        self._ends = np.cumsum([part.size for _, part, _ in parts], dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._parts else 0

    def hits(self, start: int, stop: int) -> list[SummaryHit]:
        """The hits at these places."""
        return [self._hit(place) for place in range(start, min(stop, len(self)))]

    def find(self, address: str, feature_index: int) -> int | None:
        """The place of a feature, or None where it isn't ranked."""
        for (sae, part, _), end in zip(self._parts, self._ends, strict=True):
            row = np.flatnonzero(part == feature_index)
            if sae.address == address and row.size:
                return int(end - part.size + row[0])
        return None

    def _hit(self, place: int) -> SummaryHit:
        number = int(np.searchsorted(self._ends, place, side="right"))
        sae, part, in_short = self._parts[number]
        return SummaryHit(sae, int(part[place - int(self._ends[number])]), in_short)


def rank_summaries(
    connection: Connection, saes: Sequence[Sae], terms: Sequence[Term]
) -> SummaryRanking:
    """The features of these dictionaries whose summary has every word and none that is left out."""
    included = [pair for term in terms if not term.excluded for pair in _words(term)]
    excluded = [words for term in terms if term.excluded and (words := _words(term))]
    found = []
    for sae in saes:
        features, n_short = features_by_summary(connection, sae.sae_id, included)
        for words in excluded:
            without, _ = features_by_summary(connection, sae.sae_id, words)
            kept = ~np.isin(features, without)
            features, n_short = features[kept], int(kept[:n_short].sum())
        found.append((sae, features, n_short))
    return SummaryRanking(found)


def _words(term: Term) -> list[tuple[str, bool]]:
    """The words of a term; the last of a beginning may be longer."""
    words = words_of(term.text)
    return [(word, term.kind == "prefix" and i == len(words) - 1) for i, word in enumerate(words)]
