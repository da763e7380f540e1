"""One feature in the other dictionaries of its hook: the nearest there, and whose nearest it is.

Takes a feature of a dictionary; gives a line for each dictionary it was compared with, where the
atlas has comparisons. Knows no template.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.db.features import short_forms
from app.db.study_records.matches import Matches
from app.web import text
from app.web.feature_numbers import named_in
from app.web.memory import Memory
from app.web.urls import compare_url, study_url

MOST_NAMED = 4
"""Features of the other dictionary that are named as having this one for their best match."""

_BYTES_OF_PANEL, _BYTES_OF_LINE = 1000, 1100


@dataclass(frozen=True)
class Elsewhere:
    """The feature in one other dictionary."""

    sae: Sae
    feature_index: int
    """of the nearest there"""
    value: float
    """its cosine"""
    cosine: str
    bar: float
    """percent of the bar's width"""
    short: list[list[str]] | None
    """the nearest's short form"""
    nearest_of: list[int]
    """living features there that have this one for their nearest, the nearest first"""
    n_more: int
    """of them not named"""
    compare_url: str
    matches_url: str
    """the whole comparison of the two dictionaries"""

    def as_json(self) -> dict[str, Any]:
        """The same as numbers."""
        return {
            "sae": self.sae.record.sae,
            "feature_index": self.feature_index,
            "cosine_similarity": self.value,
            "nearest_of": self.nearest_of,
            "n_nearest_of": len(self.nearest_of) + self.n_more,
        }


def build_elsewhere(
    connection: Connection, sae: Sae, feature_index: int, memory: Memory
) -> list[Elsewhere]:
    """In the order the dictionaries were added; those the viewer may not see are left out."""
    compared = memory.matches(connection, sae.sae_id)
    if not len(compared):
        return []
    return [
        _line(connection, sae, other, feature_index, compared.pairs[other.sae_id], memory)
        for other in list_saes(connection)
        if other.sae_id in compared.pairs
    ]


def bytes_of(found: list[Elsewhere]) -> int:
    """What the panel takes of the page, nearly."""
    return _BYTES_OF_PANEL + _BYTES_OF_LINE * len(found) if found else 0


def _line(
    connection: Connection,
    sae: Sae,
    other: Sae,
    index: int,
    pair: tuple[Matches, Matches],
    memory: Memory,
) -> Elsewhere:
    there, back = pair
    match, cosine = int(there.best_index[index]), float(there.cosine[index])
    living = memory.columns(connection, other.sae_id).living
    owners = np.flatnonzero((back.best_index == index) & living)
    owners = owners[np.argsort(-back.cosine[owners], kind="stable")]
    own = sae.record.sae
    return Elsewhere(
        sae=other,
        feature_index=match,
        value=cosine,
        cosine=text.signed(cosine),
        bar=round(100 * abs(cosine), 1),
        short=short_forms(connection, other.sae_id, [match]).get(match),
        nearest_of=owners[:MOST_NAMED].tolist(),
        n_more=max(owners.size - MOST_NAMED, 0),
        compare_url=compare_url(sae, [index, named_in(other.record.sae, own, match)]),
        matches_url=study_url(sae, "matches", [("other", other.record.sae)]),
    )
