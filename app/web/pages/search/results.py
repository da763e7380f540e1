"""Rows of a search: the hits of a ranking with what the page and the twin say of each feature.

Takes hits, reads the features and the tokens they name; knows neither ranking nor page.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import get_features
from app.db.records import TokenRecord
from app.stats.wording import plain
from app.web.memory import Memory
from app.web.notebook.names import NO_NAMES
from app.web.pages.feature_row import FeatureRow, make_rows
from app.web.pages.search.examples import ExampleHit
from app.web.pages.search.labels import LabelHit, NamesBySae
from app.web.pages.search.ranking import Hit, Ranking
from app.web.pages.search.summaries import SummaryHit

AnyHit = Hit | ExampleHit | SummaryHit | LabelHit


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
            **_address(hit.sae, hit.feature_index),
            "score": hit.score,
            "share": hit.share,
            "n_active": hit.n_active,
            "n_occurrences": hit.n_occurrences,
            "complete": hit.complete,
            "parts": [vars(part) for part in hit.parts],
            "excluded_share": hit.excluded_share,
            "token_id": hit.token_id,
            "density": record.density,
            "max_activation": record.max_activation,
            "short": plain(record.short),
            "label": self.row.label or None,
        }


@dataclass(frozen=True)
class SummaryResult:
    """One feature whose summary has the words."""

    hit: SummaryHit
    row: FeatureRow

    def as_json(self) -> dict[str, Any]:
        """The feature's address and what its summary says."""
        record = self.row.record
        return {
            **_address(self.hit.sae, self.hit.feature_index),
            "in_short": self.hit.in_short,
            "summary": plain(record.summary),
            "short": plain(record.short),
            "label": self.row.label or None,
        }


@dataclass(frozen=True)
class LabelResult:
    """One feature with a label that has the words."""

    hit: LabelHit
    row: FeatureRow

    def as_json(self) -> dict[str, Any]:
        """The feature's address, the label found and the one shown first."""
        hit = self.hit
        return {
            **_address(hit.sae, hit.feature_index),
            "found": hit.text,
            "label": hit.name.text,
            "author": hit.name.author,
            "short": plain(self.row.record.short),
        }


Rows = Mapping[tuple[int, int], FeatureRow]
"""Feature rows by (sae_id, feature_index)."""


def read_rows(
    connection: Connection, memory: Memory, features: Iterable[AnyHit], names: NamesBySae
) -> Rows:
    """The rows of all features of a page, two queries for each dictionary.

    Args:
        names: what features are called.
    """
    by_sae: dict[int, tuple[Sae, set[int]]] = {}
    for hit in features:
        by_sae.setdefault(hit.sae.sae_id, (hit.sae, set()))[1].add(hit.feature_index)
    rows: dict[tuple[int, int], FeatureRow] = {}
    for sae, wanted in by_sae.values():
        records = get_features(connection, sae.sae_id, wanted)
        own = names.get(sae.sae_id, NO_NAMES)
        for row in make_rows(connection, sae.model_id, records.values(), own):
            rows[sae.sae_id, row.record.feature_index] = row
    return rows


def make_results(
    connection: Connection, memory: Memory, rows: Rows, ranking: Ranking, hits: Sequence[Hit]
) -> list[Result]:
    """The rows of some hits of a ranking, in their order."""
    found: list[Result] = []
    for hit in hits:
        tokens = memory.tokens(connection, hit.sae.model_id, [hit.token_id])
        bar = 100 * abs(hit.score) / (ranking.largest or 1.0)
        row = rows[hit.sae.sae_id, hit.feature_index]
        found.append(Result(hit, row, tokens.get(hit.token_id), bar))
    return found


def make_summary_results(rows: Rows, hits: Sequence[SummaryHit]) -> list[SummaryResult]:
    """The rows of some features by their summaries, in their order."""
    return [SummaryResult(hit, rows[hit.sae.sae_id, hit.feature_index]) for hit in hits]


def make_label_results(rows: Rows, hits: Sequence[LabelHit]) -> list[LabelResult]:
    """The rows of some features by their labels, in their order."""
    return [LabelResult(hit, rows[hit.sae.sae_id, hit.feature_index]) for hit in hits]


def _address(sae: Sae, feature_index: int) -> dict[str, Any]:
    return {"model": sae.record.model, "sae": sae.record.sae, "feature_index": feature_index}
