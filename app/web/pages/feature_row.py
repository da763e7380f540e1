"""One feature as lists show it, and as list twins say it.

Takes feature records and the texts of their tokens; knows neither the list's order nor a template.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection

from app.db.records import LIVES_AS, FeatureRecord, LivesAs, TokenRecord
from app.db.tokens import get_tokens
from app.stats.wording import plain
from app.web.charts.sparkline import StripPart, sparkline_path, strip_parts, strip_percents
from app.web.notebook.names import NO_NAMES, Names


@dataclass(frozen=True)
class FeatureRow:
    """A feature with what its row needs besides its scalars."""

    record: FeatureRecord
    top_tokens: list[TokenRecord]
    """up to 3, by share of the activation mass"""
    ablation_token: TokenRecord | None
    label: str = ""
    """what somebody called it; empty without a label"""

    @cached_property
    def spark(self) -> str:
        """SVG path of the histogram, empty for a dead feature."""
        return "" if self.record.never_fired else sparkline_path(self.record.sparkline)

    @cached_property
    def strip(self) -> list[StripPart]:
        """The ablation strip's cells; empty where nothing was ablated."""
        return strip_parts(strip_percents(self.record.ablation_strip))

    @property
    def strip_cells(self) -> int:
        """How many positions the strip has."""
        return len(self.record.ablation_strip)

    @property
    def top_token_percent(self) -> float:
        """Length of the bar of its strongest token's share."""
        return 100 * (self.record.top_token_share or 0.0)

    @property
    def lives_as(self) -> LivesAs:
        """Point, region, or no word, as the summary says it."""
        return LIVES_AS[self.record.lives_as or 0]

    def as_json(self) -> dict[str, Any]:
        """Every scalar of the feature; tokens with their texts, bytes as numbers."""
        record = self.record
        scalars = asdict(record)
        scalars["top_tokens"] = [
            {"token_id": token.token_id, "token": token.token} for token in self.top_tokens
        ]
        scalars["ablation_token"] = self.ablation_token.token if self.ablation_token else None
        scalars["lives_as"] = self.lives_as
        scalars["summary"] = plain(record.summary)
        scalars["short"] = plain(record.short)
        scalars["label"] = self.label or None
        scalars["sparkline"] = list(record.sparkline)
        scalars["ablation_strip"] = strip_percents(record.ablation_strip)
        return scalars


def make_rows(
    connection: Connection,
    model_id: int,
    records: Iterable[FeatureRecord],
    names: Names = NO_NAMES,
) -> list[FeatureRow]:
    """Rows of the features given, in their order; one query for all their tokens.

    Args:
        names: what features are called, by feature_index.
    """
    kept = list(records)
    wanted = {token_id for record in kept for token_id in record.top_tokens}
    wanted |= {r.ablation_token_id for r in kept if r.ablation_token_id is not None}
    tokens = get_tokens(connection, model_id, wanted)
    return [_row(record, tokens, names) for record in kept]


def _row(record: FeatureRecord, tokens: dict[int, TokenRecord], names: Names) -> FeatureRow:
    name = names.get(record.feature_index)
    deleted = record.ablation_token_id
    return FeatureRow(
        record=record,
        top_tokens=[tokens[i] for i in record.top_tokens if i in tokens],
        ablation_token=None if deleted is None else tokens.get(deleted),
        label="" if name is None else name.text,
    )
