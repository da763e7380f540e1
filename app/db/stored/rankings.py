"""How the strongest features of a token lie in the file.

The rankings by share and by rate are two orders of mostly the same features, which stand once; the
rate follows from two whole numbers. Scores keep 16 significant bits and, as they descend, only
their differences are stored. Knows no table.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from operator import itemgetter

import numpy as np
from jaxtyping import Float, Int, Integer
from numpy import ndarray

from app.db.records import RankingMode, TokenRanking
from app.db.stored.compact import Counts, Steps, unpack_one
from app.db.stored.packing import pack


@dataclass(frozen=True)
class StoredFirings:
    """The features that fire on a token: those of the ranking by share in its order, then those
    that only the ranking by rate has."""

    n_fires: int
    """how many of them the ranking by share has"""
    n_rate: int
    """and how many the one by rate has: those with most firings, ties to the lower feature_index"""
    n_total_fires: int
    n_total_rate: int
    n_occurrences: int
    """of the token; rate = n_active / n_occurrences"""
    feature_index: Counts
    share: Steps
    """`rounded_bits`"""
    n_active: Counts


@dataclass(frozen=True)
class StoredScores:
    """The features that raise or lower a token most, strongest first."""

    n_total: int
    feature_index: Counts
    score: Steps
    """`rounded_bits`"""


RankingColumns = dict[str, bytes | None]
"""A token's row: `firings`, `promotes`, `suppresses`."""


def by_token(
    rankings: Mapping[RankingMode, Iterable[tuple[int, TokenRanking]]],
) -> Iterator[tuple[int, dict[RankingMode, TokenRanking]]]:
    """All rankings of one token after the other, from (token_id, ranking) in order of token_id."""
    named = [_named(mode, found) for mode, found in rankings.items()]
    rows = merge(*named, key=itemgetter(0))
    for token_id, group in groupby(rows, key=itemgetter(0)):
        yield token_id, {mode: ranking for _, mode, ranking in group}


def ranking_columns(
    found: Mapping[RankingMode, TokenRanking], n_occurrences: int
) -> RankingColumns:
    """The row of a token that occurs so often; None where it has no ranking."""
    fires, rate = found.get("fires"), found.get("rate")
    promotes, suppresses = found.get("promotes"), found.get("suppresses")
    return {
        "firings": pack_firings(fires, rate, n_occurrences) if fires or rate else None,
        "promotes": pack_scores(promotes) if promotes else None,
        "suppresses": pack_scores(suppresses) if suppresses else None,
    }


def _named(
    mode: RankingMode, rankings: Iterable[tuple[int, TokenRanking]]
) -> Iterator[tuple[int, RankingMode, TokenRanking]]:
    for token_id, ranking in rankings:
        yield token_id, mode, ranking


def pack_firings(
    fires: TokenRanking | None, rate: TokenRanking | None, n_occurrences: int
) -> bytes:
    """One blob of both rankings of a token by its firings; None where it has none."""
    fires, rate = fires or _NOTHING, rate or _NOTHING
    only_rate = ~np.isin(rate.feature_index, fires.feature_index)
    share = np.concatenate([fires.share, rate.share[only_rate]])
    return pack(
        StoredFirings(
            n_fires=fires.feature_index.size,
            n_rate=rate.feature_index.size,
            n_total_fires=fires.n_total,
            n_total_rate=rate.n_total,
            n_occurrences=n_occurrences,
            feature_index=_whole([fires.feature_index, rate.feature_index[only_rate]]),
            share=rounded_bits(share),
            n_active=_whole([fires.n_active, rate.n_active[only_rate]]),
        )
    )


def unpack_fires(blob: bytes) -> TokenRanking:
    """The ranking by share of the feature's activation mass."""
    stored: StoredFirings = unpack_one(StoredFirings, blob)
    kept = slice(stored.n_fires)
    share = from_rounded_bits(stored.share[kept])
    return TokenRanking(
        stored.feature_index[kept], share, share, stored.n_active[kept], stored.n_total_fires
    )


def unpack_rate(blob: bytes) -> TokenRanking:
    """The ranking by share of the token's occurrences."""
    stored: StoredFirings = unpack_one(StoredFirings, blob)
    order = np.lexsort((stored.feature_index, -stored.n_active))[: stored.n_rate]
    n_active = stored.n_active[order]
    return TokenRanking(
        stored.feature_index[order],
        (n_active / max(stored.n_occurrences, 1)).astype(np.float32),
        from_rounded_bits(stored.share[order]),
        n_active,
        stored.n_total_rate,
    )


def pack_scores(ranking: TokenRanking) -> bytes:
    """One blob of a ranking by the direct effect on the token."""
    score = rounded_bits(ranking.score)
    return pack(StoredScores(ranking.n_total, ranking.feature_index, score), noisy=True)


def unpack_scores(blob: bytes) -> TokenRanking:
    """What `pack_scores` packed."""
    stored: StoredScores = unpack_one(StoredScores, blob)
    return TokenRanking(
        stored.feature_index,
        from_rounded_bits(stored.score),
        np.zeros(0, np.float32),
        np.zeros(0, np.int64),
        stored.n_total,
    )


def rounded_bits(values: Float[ndarray, " n"]) -> Int[ndarray, " n"]:
    """Real numbers as whole ones in the same order: the upper 24 bits of each, rounded, as
    float32 has them, negative for a negative number."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.int64)
    size = ((bits & 0x7FFFFFFF) + 0x7F + ((bits >> 8) & 1)) >> 8
    return np.where(bits >> 31, -size, size)


def from_rounded_bits(bits: Int[ndarray, " n"]) -> Float[ndarray, " n"]:
    """What `rounded_bits` was given, to 16 significant bits."""
    values = (np.abs(bits) << 8).astype(np.uint32).view(np.float32)
    return np.where(bits < 0, -values, values)


def _whole(arrays: list[Integer[ndarray, " _"]]) -> Int[ndarray, " n"]:
    return np.concatenate(arrays, dtype=np.int64, casting="unsafe")


_NONE = np.zeros(0)
_NOTHING = TokenRanking(_NONE.astype(np.int64), _NONE, _NONE, _NONE.astype(np.int64), 0)
