"""Rows of a search: the hits of a ranking with what the page and the twin say of each feature.

Takes hits, reads the features and the tokens they name; knows neither ranking nor page.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.db.features import get_features
from app.db.records import RankingMode, TokenRecord
from app.db.tokens import get_tokens
from app.web.pages.feature_row import FeatureRow, make_rows
from app.web.pages.search_ranking import Hit, Ranking
from app.web.urls import search_url
from app.web.views import SearchView


@dataclass(frozen=True)
class Result:
    """One hit with what its row shows."""

    hit: Hit
    row: FeatureRow
    token: TokenRecord | None
    """the meant token that contributes most"""
    bar: float
    """length of its bar, percent of the longest of the ranking"""

    def as_json(self) -> dict[str, Any]:
        """The feature's address, its score with the counts behind it, and a few scalars."""
        hit, record = self.hit, self.row.record
        return {
            "model": hit.sae.record.model,
            "sae": hit.sae.record.sae,
            "feature_index": hit.feature_index,
            "score": hit.score,
            "share": hit.share,
            "n_active": hit.n_active,
            "n_occurrences": hit.n_occurrences,
            "complete": hit.complete,
            "token_id": hit.token_id,
            "density": record.density,
            "max_activation": record.max_activation,
            "short": self.row.as_json()["short"],
        }


@dataclass(frozen=True)
class ResultGroup:
    """One ranking, or the first of it."""

    mode: RankingMode
    results: list[Result]
    n_features: int
    """ranked features that can be paged through"""
    n_left_out: int
    """features beyond the stored lists of the tokens, counted token by token"""
    all_url: str
    """this ranking alone; empty when it is shown alone"""


def make_group(
    connection: Connection, view: SearchView, ranking: Ranking, hits: list[Hit]
) -> ResultGroup:
    """The rows of some hits of a ranking, in their order."""
    rows: dict[tuple[int, int], FeatureRow] = {}
    tokens: dict[tuple[int, int], TokenRecord] = {}
    for sae in {hit.sae.sae_id: hit.sae for hit in hits}.values():
        own = [hit for hit in hits if hit.sae.sae_id == sae.sae_id]
        records = get_features(connection, sae.sae_id, (hit.feature_index for hit in own))
        for row in make_rows(connection, sae.model_id, records.values()):
            rows[sae.sae_id, row.record.feature_index] = row
        strongest = get_tokens(connection, sae.model_id, (hit.token_id for hit in own))
        tokens |= {(sae.sae_id, token_id): token for token_id, token in strongest.items()}
    return ResultGroup(
        ranking.mode,
        [
            Result(
                hit,
                rows[hit.sae.sae_id, hit.feature_index],
                tokens.get((hit.sae.sae_id, hit.token_id)),
                100 * abs(hit.score) / (ranking.largest or 1.0),
            )
            for hit in hits
        ],
        len(ranking),
        ranking.n_left_out,
        "" if view.mode else search_url(view.arguments(mode=ranking.mode, next=None)),
    )
