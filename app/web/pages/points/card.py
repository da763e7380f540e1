"""What the card of a point says: a feature in a few words, small enough to ask for on hover."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import short_forms
from app.web.chips import chip
from app.web.notebook.reader import NO_NOTEBOOK, Reader


@dataclass(frozen=True)
class Point:
    """One feature's short form; there is no page, only the twin."""

    feature_index: int
    short: list[list[str]]
    """[kind, text] pieces; the text of a token as a chip shows it"""

    label: str
    """what somebody called it; empty without a label"""

    def as_json(self) -> dict[str, Any]:
        """The number, the pieces and the label."""
        label = self.label or None
        return {"feature_index": self.feature_index, "short": self.short, "label": label}


def build(
    connection: Connection, sae: Sae, feature_index: int, reader: Reader = NO_NOTEBOOK
) -> Point:
    """The card of a feature that exists."""
    [pieces] = short_forms(connection, sae.sae_id, [feature_index]).values()
    return Point(
        feature_index,
        [[kind, chip(text) if kind == "token" else text] for kind, text in pieces],
        reader.name(sae, feature_index),
    )
