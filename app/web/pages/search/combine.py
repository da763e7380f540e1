"""Features ranked by several terms at once: on all of these, on none of those.

A token's list holds its 100 strongest features, a feature's own list its 64 strongest tokens;
together they say of most pairs exactly whether and how much the feature fires on the token. Where
both lists were cut before a pair, at most the smallest share either of them holds can lie on it.
So a feature is left out only where it is known to fire on an excluded token; of those that stay it
is said whether they never do, or at most how much of their activation can lie there. Logits are
known only for listed features: a feature promotes several terms where it is among the strongest of
each, and is left out where it is among the strongest of an excluded token. Knows no page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.records import RankingMode, TokenRanking
from app.db.tokens import TokenPairs, get_rankings, occurrences
from app.web.memory import Memory
from app.web.pages.search.ranking import LOGITS, Ranking, Scores, combine, left_out


@dataclass(frozen=True)
class TokenTerms:
    """The tokens meant in one dictionary, term by term."""

    included: list[list[int]]
    excluded: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Evidence:
    """What is known of every feature on the tokens of one term, summed over them."""

    share: Float[ndarray, " d_sae"]
    n_active: Int[ndarray, " d_sae"]
    """both at least; exactly where nothing is open"""
    open_share: Float[ndarray, " d_sae"]
    """at most this much more share can lie on them; 0 where all is known"""


def rank_combined(
    connection: Connection,
    memory: Memory,
    mode: RankingMode,
    searched: Sequence[tuple[Sae, TokenTerms]],
) -> Ranking:
    """The features of the dictionaries given that fit every term there.

    By the smallest score on any included term: a feature ranks as high as its weakest part.
    """
    scores: list[tuple[Sae, Scores]] = []
    n_left_out = 0
    for sae, terms in searched:
        by_term = [get_rankings(connection, sae.sae_id, mode, ids) for ids in terms.included]
        excluded = get_rankings(connection, sae.sae_id, mode, terms.excluded)
        if mode in LOGITS:
            own = _logits(mode, by_term, excluded)
            n_left_out += sum(map(left_out, by_term))
        else:
            pairs = memory.token_pairs(connection, sae)
            evidence = [
                weigh(rankings, ids, pairs)
                for rankings, ids in zip(by_term, terms.included, strict=True)
            ]
            against = weigh(excluded, terms.excluded, pairs) if terms.excluded else None
            counts = [occurrences(connection, sae.corpus_id, ids) for ids in terms.included]
            own = _firings(mode, evidence, against, [sum(own.values()) for own in counts], terms)
        scores.append((sae, own))
    return Ranking(mode, scores, n_left_out, sum(own.feature_index.size for _, own in scores))


def weigh(
    rankings: dict[int, TokenRanking], token_ids: Sequence[int], pairs: TokenPairs
) -> Evidence:
    """What the lists of the tokens and those of the features say of every pair."""
    size = pairs.open_share.size
    share, still_open = np.zeros(size), np.zeros(size)
    n_active = np.zeros(size, np.int64)
    for token_id in token_ids:
        ranking = rankings.get(token_id)
        if ranking is None:
            continue  # no feature fires on it at all
        rows, listed = pairs.of(token_id), ranking.feature_index
        own_share, own_active, own_open = np.zeros(size), np.zeros(size, np.int64), None
        own_share[pairs.feature[rows]] = pairs.share[rows]
        own_active[pairs.feature[rows]] = pairs.n_active[rows]
        own_share[listed], own_active[listed] = ranking.share, ranking.n_active
        if ranking.n_total > listed.size:
            own_open = pairs.open_share.astype(np.float64)
            own_open[own_active > 0] = 0.0
            still_open += own_open
        share += own_share
        n_active += own_active
    return Evidence(share, n_active, still_open)


def _firings(
    mode: RankingMode,
    evidence: list[Evidence],
    against: Evidence | None,
    n_occurrences: list[int],
    terms: TokenTerms,
) -> Scores:
    kept = np.logical_and.reduce([one.n_active > 0 for one in evidence])
    if against is not None:
        kept &= against.n_active == 0
    rows = np.flatnonzero(kept)
    share = np.array([one.share[rows] for one in evidence])
    n_active = np.array([one.n_active[rows] for one in evidence])
    rate = n_active / np.maximum(np.array(n_occurrences)[:, None], 1)
    return Scores(
        rows,
        (share if mode == "fires" else rate).min(axis=0),
        share.sum(axis=0),
        n_active.sum(axis=0),
        np.full(rows.size, terms.included[0][0]),
        np.logical_and.reduce([one.open_share[rows] == 0 for one in evidence]),
        sum(n_occurrences),
        (share, n_active, n_occurrences) if len(evidence) > 1 else None,
        None if against is None else against.open_share[rows],
    )


def _logits(
    mode: RankingMode,
    by_term: list[dict[int, TokenRanking]],
    excluded: dict[int, TokenRanking],
) -> Scores:
    scores = [combine(mode, rankings, 0) for rankings in by_term]
    common = scores[0].feature_index
    for own in scores[1:]:
        common = np.intersect1d(common, own.feature_index)
    for ranking in excluded.values():
        common = np.setdiff1d(common, ranking.feature_index)
    rows = [np.searchsorted(own.feature_index, common) for own in scores]
    size = np.array([np.abs(own.score[r]) for own, r in zip(scores, rows, strict=True)])
    token = np.array([own.token_id[r] for own, r in zip(scores, rows, strict=True)])
    weakest, column = size.argmin(axis=0), np.arange(common.size)
    return replace(
        scores[0],
        feature_index=common,
        score=(1 if mode == "promotes" else -1) * size[weakest, column],
        share=np.zeros(common.size),
        n_active=np.zeros(common.size, np.int64),
        token_id=token[weakest, column],
        complete=np.ones(common.size, bool),
    )
