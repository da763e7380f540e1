"""Features by the words of their summaries.

Takes the terms of a search, gives a ranking: the features whose short form has every word, then
those whose whole summary has. Among the first those whose strongest token is one of the words lead,
by the share of their activation on it; ties and all others stand in the order of the dictionaries
and by feature_index. Knows no page.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.fulltext.queries import features_by_summary
from app.db.fulltext.words import words_of
from app.web.memory import Memory
from app.web.pages.search.only import Features, among
from app.web.pages.search.query import Term, words_of_term


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

    def __init__(self, found: Sequence["_Found"]) -> None:
        self._saes = [own.sae for own in found]
        sizes = np.array([own.features.size for own in found], np.int64)
        number = np.repeat(np.arange(len(found)), sizes)
        feature = np.concatenate([np.zeros(0, np.int64), *(own.features for own in found)])
        in_short = np.concatenate(
            [np.zeros(0, bool), *(np.arange(own.features.size) < own.n_short for own in found)]
        )
        share = np.concatenate([np.zeros(0), *(own.share for own in found)])
        order = np.lexsort((feature, number, -share, ~in_short))
        self._number, self._feature = number[order], feature[order]
        self._in_short = in_short[order]

    def __len__(self) -> int:
        return self._feature.size

    def only(self, features: Features) -> "SummaryRanking":
        """The same without all other features."""
        kept = among(features, [sae.sae_id for sae in self._saes], self._number, self._feature)
        cut = copy(self)
        cut._number, cut._feature = self._number[kept], self._feature[kept]
        cut._in_short = self._in_short[kept]
        return cut

    def hits(self, start: int, stop: int) -> list[SummaryHit]:
        """The hits at these places."""
        return [
            SummaryHit(self._saes[self._number[i]], int(self._feature[i]), bool(self._in_short[i]))
            for i in range(start, min(stop, len(self)))
        ]

    def find(self, address: str, feature_index: int) -> int | None:
        """The place of a feature, or None where it isn't ranked."""
        of_sae = np.array([sae.address == address for sae in self._saes], bool)
        rows = np.flatnonzero((self._feature == feature_index) & of_sae[self._number])
        return int(rows[0]) if rows.size else None


@dataclass(frozen=True)
class _Found:
    """The features of one dictionary."""

    sae: Sae
    features: Int[ndarray, " n"]
    n_short: int
    """how many of them, the first, have the words in their short form"""
    share: Float[ndarray, " n"]
    """of the feature's activation on its strongest token, if that is one of the words; else 0, as
    where only the whole summary has the words"""


def rank_summaries(
    connection: Connection, memory: Memory, saes: Sequence[Sae], terms: Sequence[Term]
) -> SummaryRanking:
    """The features of these dictionaries whose summary has every word and none that is left out."""
    included = [pair for term in terms if not term.excluded for pair in words_of_term(term)]
    excluded = [words for term in terms if term.excluded and (words := words_of_term(term))]
    found: list[_Found] = []
    for sae in saes:
        features, n_short = features_by_summary(connection, sae.sae_id, included)
        for words in excluded:
            without, _ = features_by_summary(connection, sae.sae_id, words)
            kept = ~np.isin(features, without)
            features, n_short = features[kept], int(kept[:n_short].sum())
        share = np.zeros(features.size)
        share[:n_short] = _shares(connection, memory, sae, features[:n_short], included)
        found.append(_Found(sae, features, n_short, share))
    return SummaryRanking(found)


def _shares(
    connection: Connection,
    memory: Memory,
    sae: Sae,
    features: Int[ndarray, " n"],
    words: Sequence[tuple[str, bool]],
) -> Float[ndarray, " n"]:
    """Share of each feature's activation on its strongest token where that has one of the words."""
    if not features.size:
        return np.zeros(0)
    columns = memory.columns(connection, sae.sae_id)
    rows = np.searchsorted(columns["feature_index"], features)
    share, top = columns["top_token_share"][rows], columns["top_token_id"][rows]
    ids = [int(token_id) for token_id in np.unique(top[np.isfinite(top)])]
    meant = [
        token_id
        for token_id, token in memory.tokens(connection, sae.model_id, ids).items()
        if any(_is(own, word, longer) for own in words_of(token.token) for word, longer in words)
    ]
    return np.where(np.isin(top, meant) & np.isfinite(share), share, 0.0)


def _is(own: str, word: str, longer: bool) -> bool:
    return own.startswith(word) if longer else own == word
