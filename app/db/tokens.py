"""Queries over a model's vocabulary and over each token's strongest features. Read-only.

A search means several tokens: with and without the space before it, other cases, longer ones that
begin with it. Every match is found through an index, every ranking by its primary key.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from sqlalchemy import ColumnElement, Connection, Row, and_, select

from app.db import schema
from app.db.fulltext.records import FeatureTokens
from app.db.records import RankingMode, TokenRanking, TokenRecord
from app.db.stored.compact import unpack_one
from app.db.stored.rankings import (
    from_rounded_bits,
    unpack_fires,
    unpack_rate,
    unpack_scores,
)

_token = schema.token


@dataclass(frozen=True)
class TokenMatch:
    """One vocabulary token a query may mean."""

    token: TokenRecord
    kind: str
    """exact (its text, spaces around it aside), case (another case), or prefix (begins with it)"""
    n_occurrences: int
    """counted occurrences in the corpus asked about"""


def get_tokens(
    connection: Connection, model_id: int, token_ids: Iterable[int]
) -> dict[int, TokenRecord]:
    """Vocabulary entries by id; unknown ids are absent."""
    wanted = sorted({int(i) for i in token_ids})
    found: dict[int, TokenRecord] = {}
    for start in range(0, len(wanted), 10_000):
        rows = connection.execute(
            select(_token).where(
                _token.c.model_id == model_id, _token.c.token_id.in_(wanted[start : start + 10_000])
            )
        )
        found |= {row.token_id: _record(row) for row in rows}
    return found


def match_tokens(
    connection: Connection, model_id: int, corpus_id: int, text: str, size: int = 24
) -> list[TokenMatch]:
    """What a text can mean in the vocabulary: exact first, then case, then prefix.

    Inside a kind by occurrences in the corpus, then by token id. A text of spaces and newlines
    alone matches the tokens made of them.
    """
    stripped = text.strip(" \t\r\n") or text
    if not stripped:
        return []
    folded = stripped.casefold()
    kinds: dict[int, tuple[str, int]] = {}
    by_kind = {
        "exact": _token.c.stripped == stripped,
        "case": _token.c.folded == folded,
        "prefix": and_(_token.c.folded > folded, _token.c.folded < folded + "\U0010ffff"),
    }
    for kind, condition in by_kind.items():
        for token_id, n_occurrences in _counted(connection, model_id, corpus_id, condition):
            if len(kinds) == size:
                break
            kinds.setdefault(token_id, (kind, n_occurrences))
    records = get_tokens(connection, model_id, kinds)
    return [TokenMatch(records[i], kind, n) for i, (kind, n) in kinds.items()]


def is_token(connection: Connection, model_id: int, text: str) -> bool:
    """Whether a text, spaces around it aside, is a token of the vocabulary."""
    stripped = text.strip(" \t\r\n") or text
    found = select(_token.c.token_id).where(
        _token.c.model_id == model_id, _token.c.stripped == stripped
    )
    return connection.scalar(found.limit(1)) is not None


def match_exactly(
    connection: Connection, model_id: int, corpus_id: int, text: str
) -> list[TokenMatch]:
    """The tokens with exactly this text, spaces and case included; rarely more than one."""
    stripped = text.strip(" \t\r\n") or text
    if not stripped:
        return []
    found = _counted(
        connection, model_id, corpus_id, and_(_token.c.stripped == stripped, _token.c.token == text)
    )
    records = get_tokens(connection, model_id, (i for i, _ in found))
    return [TokenMatch(records[i], "exact", n) for i, n in found]


def most_frequent(connection: Connection, corpus_id: int, size: int) -> list[tuple[int, int]]:
    """The tokens that occur most in a corpus with their counts; reads the counts of all of them."""
    table = schema.corpus_token
    rows = connection.execute(
        select(table.c.token_id, table.c.n_occurrences).where(table.c.corpus_id == corpus_id)
    )
    return sorted(((i, n) for i, n in rows), key=lambda row: (-row[1], row[0]))[:size]


@dataclass(frozen=True)
class TokenPairs:
    """Every pair of token and feature that the features' own token lists hold, token by token."""

    indptr: Int[ndarray, " d_vocab_plus_one"]
    """rows [indptr[t], indptr[t + 1]) are token t's"""
    feature: Int[ndarray, " n"]
    share: Float[ndarray, " n"]
    """of the feature's activation mass"""
    n_active: Int[ndarray, " n"]
    open_share: Float[ndarray, " d_sae"]
    """the largest share a token that isn't listed can have; 0 where all of a feature's are"""

    def __len__(self) -> int:
        return self.feature.size

    def of(self, token_id: int) -> slice:
        """The rows of one token."""
        if token_id + 1 >= self.indptr.size:
            return slice(0, 0)
        return slice(int(self.indptr[token_id]), int(self.indptr[token_id + 1]))


def load_token_pairs(connection: Connection, sae_id: int, d_sae: int) -> TokenPairs:
    """The pairs of a whole dictionary, read once and kept by the caller."""
    table = schema.feature_tokens
    rows = connection.execute(
        select(table.c.first_feature, table.c.tokens)
        .where(table.c.sae_id == sae_id)
        .order_by(table.c.first_feature)
    ).all()
    chunks = [(row.first_feature, unpack_one(FeatureTokens, row.tokens)) for row in rows]

    def joined(name: str, kind: type) -> ndarray:
        return np.concatenate(
            [np.zeros(0, kind), *(getattr(c, name).astype(kind) for _, c in chunks)]
        )

    feature = np.concatenate(
        [np.zeros(0, np.int32), *(c.feature.astype(np.int32) + first for first, c in chunks)]
    )
    token_id = joined("token_id", np.int64)
    order = np.argsort(token_id, kind="stable")
    return TokenPairs(
        np.concatenate([[0], np.cumsum(np.bincount(token_id))]),
        feature[order],
        from_rounded_bits(joined("share", np.int64))[order],
        joined("n_active", np.int64)[order],
        joined("open_share", np.float32)[:d_sae],
    )


def occurrences(connection: Connection, corpus_id: int, token_ids: Iterable[int]) -> dict[int, int]:
    """Counted occurrences of tokens in a corpus; tokens that never occur are absent."""
    table = schema.corpus_token
    rows = connection.execute(
        select(table.c.token_id, table.c.n_occurrences).where(
            table.c.corpus_id == corpus_id, table.c.token_id.in_({int(i) for i in token_ids})
        )
    )
    return {row.token_id: row.n_occurrences for row in rows}


def get_rankings(
    connection: Connection, sae_id: int, mode: RankingMode, token_ids: Iterable[int]
) -> dict[int, TokenRanking]:
    """The strongest features of each token under one ranking; tokens without any are absent."""
    table = schema.token_ranking
    column, unpack = _RANKINGS[mode]
    rows = connection.execute(
        select(table.c.token_id, table.c[column].label("ranking")).where(
            table.c.sae_id == sae_id, table.c.token_id.in_({int(i) for i in token_ids})
        )
    )
    found = {row.token_id: unpack(row.ranking) for row in rows if row.ranking is not None}
    return {token_id: ranking for token_id, ranking in found.items() if ranking.n_total}


_RANKINGS: dict[RankingMode, tuple[str, Callable[[bytes], TokenRanking]]] = {
    "fires": ("firings", unpack_fires),
    "rate": ("firings", unpack_rate),
    "promotes": ("promotes", unpack_scores),
    "suppresses": ("suppresses", unpack_scores),
}
"""The column of each ranking and its reader."""


def _counted(
    connection: Connection, model_id: int, corpus_id: int, condition: ColumnElement[bool]
) -> list[tuple[int, int]]:
    """Token ids with their occurrences, most frequent first, then by id."""
    counts = schema.corpus_token
    rows = connection.execute(
        select(_token.c.token_id, counts.c.n_occurrences)
        .join(
            counts,
            and_(counts.c.corpus_id == corpus_id, counts.c.token_id == _token.c.token_id),
            isouter=True,
        )
        .where(_token.c.model_id == model_id, condition)
    )
    return sorted(((i, n or 0) for i, n in rows), key=lambda row: (-row[1], row[0]))


def _record(row: Row[Any]) -> TokenRecord:
    return TokenRecord(
        row.token_id, row.token, row.piece, row.token_bytes, row.special, row.producible
    )
