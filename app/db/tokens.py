"""Queries over a model's vocabulary and over each token's strongest features. Read-only.

A search means several tokens: with and without the space before it, other cases, longer ones that
begin with it. Every match is found through an index, every ranking by its primary key.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, select

from app.db import codec, schema
from app.db.records import RankingMode, TokenRanking, TokenRecord

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
    matches: dict[int, TokenMatch] = {}
    by_kind = {
        "exact": _token.c.stripped == stripped,
        "case": _token.c.folded == folded,
        "prefix": and_(_token.c.folded > folded, _token.c.folded < folded + "\U0010ffff"),
    }
    for kind, condition in by_kind.items():
        counts = schema.corpus_token
        rows = connection.execute(
            select(_token, counts.c.n_occurrences)
            .join(
                counts,
                and_(counts.c.corpus_id == corpus_id, counts.c.token_id == _token.c.token_id),
                isouter=True,
            )
            .where(_token.c.model_id == model_id, condition)
            .limit(2_000)
        ).all()
        rows = sorted(rows, key=lambda row: (-(row.n_occurrences or 0), row.token_id))
        for row in rows[: size - len(matches)]:
            matches.setdefault(row.token_id, TokenMatch(_record(row), kind, row.n_occurrences or 0))
    return list(matches.values())


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
    rows = connection.execute(
        select(table.c.token_id, table.c.ranking).where(
            table.c.sae_id == sae_id,
            table.c.mode == mode,
            table.c.token_id.in_({int(i) for i in token_ids}),
        )
    )
    return {row.token_id: codec.unpack(TokenRanking, row.ranking) for row in rows}


def _record(row: Row[Any]) -> TokenRecord:
    return TokenRecord(
        row.token_id, row.token, row.piece, row.token_bytes, row.special, row.producible
    )
