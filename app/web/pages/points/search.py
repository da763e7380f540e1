"""Which features of a dictionary fire on the tokens a text means, for marking them on its map.

As in the search: the exact text is meant, with and without the space before it; where the
vocabulary has none, other cases; where there are none, what begins with it. A token's list holds
its 100 strongest features; what is beyond is counted. Knows no map.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.records import TokenRecord
from app.db.tokens import get_rankings, match_tokens


@dataclass(frozen=True)
class MapHit:
    """One feature that fires on the tokens."""

    feature_index: int
    share: float
    """share of its activation mass on the tokens whose lists it is in, 0 to 1"""


@dataclass(frozen=True)
class MapSearch:
    """What a text means and what fires on it."""

    tokens: list[TokenRecord]
    hits: list[MapHit]
    """by share, largest first; ties go to the lower feature_index"""
    n_left_out: int
    """pairs of token and feature beyond the tokens' stored lists"""


def search_map(connection: Connection, sae: Sae, text: str) -> MapSearch:
    """An empty text, and one the vocabulary doesn't know, mark nothing."""
    matches = match_tokens(connection, sae.model_id, sae.corpus_id, text)
    tokens = [match.token for match in matches if match.kind == matches[0].kind]
    ids = [token.token_id for token in tokens]
    rankings = get_rankings(connection, sae.sae_id, "fires", ids).values()
    shares: dict[int, float] = {}
    for ranking in rankings:
        listed = zip(ranking.feature_index.tolist(), ranking.share.tolist(), strict=True)
        for feature_index, share in listed:
            shares[feature_index] = shares.get(feature_index, 0.0) + share
    hits = [MapHit(*item) for item in sorted(shares.items(), key=lambda item: (-item[1], item[0]))]
    left_out = sum(ranking.n_total - ranking.feature_index.size for ranking in rankings)
    return MapSearch(tokens, hits, left_out)
