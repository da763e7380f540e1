"""Features ranked by several tokens at once, from each token's own ranking.

Takes the rankings the atlas keeps for every token (its 100 strongest features under each mode) and
combines them: shares and firings of the meant tokens are summed, of logits the strongest counts.
Says of every sum whether it is complete: a feature missing from a list that was cut may fire on
that token all the same. Knows no page.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.records import RankingMode, TokenRanking
from app.db.tokens import get_rankings, occurrences
from app.web.pages.search.only import Features, among

LOGITS = ("promotes", "suppresses")


@dataclass(frozen=True)
class Hit:
    """One feature under one ranking."""

    sae: Sae
    feature_index: int
    score: float
    """fires: share of its activation mass on the tokens; rate: n_active / n_occurrences;
    promotes, suppresses: the strongest adjusted logit among the tokens"""
    share: float | None
    """share of its activation mass on the tokens; None for logits"""
    n_active: int | None
    """its firings on the tokens; None for logits"""
    n_occurrences: int | None
    """counted occurrences of the tokens in its corpus; None for logits"""
    token_id: int
    """the token that contributes most"""
    complete: bool
    """False where a token's list was cut before this feature, so that sums are lower bounds"""
    parts: list["Part"]
    """where several terms are to be there, each of them; else empty"""
    excluded_share: float | None
    """where a term is left out: at most this share of its activation lies on its tokens, and 0
    where it never fires on them; None where none is left out, or for logits"""


@dataclass(frozen=True)
class Part:
    """One of several terms, as far as one feature goes."""

    share: float
    n_active: int
    n_occurrences: int


@dataclass(frozen=True)
class Scores:
    """The features of one dictionary under one ranking, one row each."""

    feature_index: Int[ndarray, " n"]
    score: Float[ndarray, " n"]
    share: Float[ndarray, " n"]
    n_active: Int[ndarray, " n"]
    token_id: Int[ndarray, " n"]
    complete: Bool[ndarray, " n"]
    n_occurrences: int
    parts: tuple[Float[ndarray, "t n"], Int[ndarray, "t n"], list[int]] | None = None
    """of several terms: shares, n_active, and each term's n_occurrences"""
    excluded_share: Float[ndarray, " n"] | None = None


class Ranking:
    """All features of some dictionaries under one mode.

    By score, strongest first (most negative first for suppresses), then in the order of the
    dictionaries, then by feature_index.
    """

    def __init__(
        self,
        mode: RankingMode,
        scores: Sequence[tuple[Sae, Scores]],
        n_left_out: int,
        n_features: int,
    ) -> None:
        self.mode: RankingMode = mode
        self.n_left_out = n_left_out
        """pairs of token and feature beyond the tokens' lists"""
        self.n_features = n_features
        """features there are at least, listed or not; exactly where nothing is left out or each
        dictionary is searched for one token"""
        self._scores = scores
        number = [np.full(s.score.size, i) for i, (_, s) in enumerate(scores)]
        row = [np.arange(s.score.size) for _, s in scores]
        self._score = score = np.concatenate([np.zeros(0), *(s.score for _, s in scores)])
        feature = np.concatenate([np.zeros(0), *(s.feature_index for _, s in scores)])
        self._feature = feature.astype(np.int64)
        self._number = np.concatenate([np.zeros(0, dtype=np.int64), *number])
        self._row = np.concatenate([np.zeros(0, dtype=np.int64), *row])
        key = score if mode == "suppresses" else -score
        self._order = np.lexsort((feature, self._number, key))
        self.largest = float(np.abs(score).max()) if score.size else 0.0
        """the largest score by size"""

    def __len__(self) -> int:
        return self._order.size

    def only(self, features: Features) -> "Ranking":
        """The same without all other features; what isn't listed is still counted."""
        sae_ids = [sae.sae_id for sae, _ in self._scores]
        kept = among(features, sae_ids, self._number[self._order], self._feature[self._order])
        cut = copy(self)
        cut._order = self._order[kept]
        cut.n_features = len(cut)
        cut.largest = float(np.abs(self._score[cut._order]).max()) if len(cut) else 0.0
        return cut

    def hits(self, start: int, stop: int) -> list[Hit]:
        """The hits at these places."""
        return [self._hit(int(place)) for place in self._order[start:stop]]

    def find(self, address: str, feature_index: int) -> int | None:
        """The place of a feature, or None where it isn't ranked."""
        for number, (sae, scores) in enumerate(self._scores):
            rows = np.flatnonzero(scores.feature_index == feature_index)
            if sae.address == address and rows.size:
                here = (self._number == number) & (self._row == rows[0])
                places = np.flatnonzero(here[self._order])
                return int(places[0]) if places.size else None
        return None

    def _hit(self, place: int) -> Hit:
        sae, scores = self._scores[self._number[place]]
        row = self._row[place]
        is_logit = self.mode in LOGITS
        return Hit(
            sae=sae,
            feature_index=int(scores.feature_index[row]),
            score=float(scores.score[row]),
            share=None if is_logit else float(scores.share[row]),
            n_active=None if is_logit else int(scores.n_active[row]),
            n_occurrences=None if is_logit else scores.n_occurrences,
            token_id=int(scores.token_id[row]),
            complete=bool(scores.complete[row]),
            parts=_parts(scores, int(row)),
            excluded_share=None
            if scores.excluded_share is None
            else float(scores.excluded_share[row]),
        )


def _parts(scores: Scores, row: int) -> list[Part]:
    if scores.parts is None:
        return []
    share, n_active, n_occurrences = scores.parts
    return [
        Part(float(share[t, row]), int(n_active[t, row]), n) for t, n in enumerate(n_occurrences)
    ]


def rank(
    connection: Connection, mode: RankingMode, searched: Sequence[tuple[Sae, list[int]]]
) -> Ranking:
    """The features of the dictionaries given, each with the ids of the tokens meant there."""
    scores: list[tuple[Sae, Scores]] = []
    n_left_out = n_features = 0
    for sae, token_ids in searched:
        rankings = get_rankings(connection, sae.sae_id, mode, token_ids)
        n_left_out += left_out(rankings)
        counts = {} if mode in LOGITS else occurrences(connection, sae.corpus_id, token_ids)
        own = combine(mode, rankings, sum(counts.values()))
        scores.append((sae, own))
        n_features += max([own.feature_index.size, *(r.n_total for r in rankings.values())])
    return Ranking(mode, scores, n_left_out, n_features)


def left_out(rankings: dict[int, TokenRanking]) -> int:
    """Pairs of token and feature beyond the lists."""
    return sum(r.n_total - r.feature_index.size for r in rankings.values())


def combine(mode: RankingMode, rankings: dict[int, TokenRanking], n_occurrences: int) -> Scores:
    """One row for each feature that any of the tokens' rankings lists."""
    sizes = [r.feature_index.size for r in rankings.values()]
    token_id = np.repeat(np.array(list(rankings), dtype=np.int64), sizes)
    listed = _joined(rankings, "feature_index").astype(np.int64)
    feature, inverse = np.unique(listed, return_inverse=True)
    if mode in LOGITS:
        score = _joined(rankings, "score").astype(np.float64)
        strongest = _strongest(inverse, np.abs(score), feature.size)
        nothing = np.zeros(feature.size)
        return Scores(
            feature, score[strongest], nothing, nothing.astype(np.int64), token_id[strongest],
            np.ones(feature.size, dtype=bool), n_occurrences,
        )  # fmt: skip
    share = _joined(rankings, "share").astype(np.float64)
    total = np.bincount(inverse, weights=share, minlength=feature.size)
    n_active = np.bincount(
        inverse, weights=_joined(rankings, "n_active"), minlength=feature.size
    ).astype(np.int64)
    cut = np.repeat([r.n_total > r.feature_index.size for r in rankings.values()], sizes)
    n_cut = sum(r.n_total > r.feature_index.size for r in rankings.values())
    on_cut = np.bincount(inverse, weights=cut, minlength=feature.size)
    return Scores(
        feature,
        total if mode == "fires" else n_active / max(n_occurrences, 1),
        total,
        n_active,
        token_id[_strongest(inverse, share, feature.size)],
        on_cut == n_cut,
        n_occurrences,
    )


def _joined(rankings: dict[int, TokenRanking], name: str) -> ndarray:
    return np.concatenate([np.zeros(0), *(getattr(r, name) for r in rankings.values())])


def _strongest(
    inverse: Int[ndarray, " n"], size: Float[ndarray, " n"], n_features: int
) -> Int[ndarray, " n_features"]:
    """For each feature the row with the largest value; the first of equal ones."""
    order = np.lexsort((-np.arange(size.size), size))
    rows = np.zeros(n_features, dtype=np.int64)
    rows[inverse[order]] = order
    return rows
