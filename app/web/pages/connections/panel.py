"""The connections of a feature on its own page: a few of the strongest, below and above.

Takes a feature; None where it has none. The graph and the whole tables are a page of their own.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.web.notebook.reader import Reader
from app.web.pages.connections.linked import Linked, by_strength, load_linked, words_of
from app.web.pages.connections.rows import LinkTable, causes_table, effects_table

N_SHOWN = 5


@dataclass(frozen=True)
class ConnectionsPanel:
    """What it is made of and what it feeds."""

    linked: Linked
    n_examples: int
    below: list[LinkTable]
    above: list[LinkTable]

    def as_json(self) -> dict[str, Any]:
        """All that is stored."""
        return self.linked.as_json()


def build_connections_panel(
    connection: Connection, sae: Sae, feature_index: int, reader: Reader
) -> ConnectionsPanel | None:
    """The panel of a feature, or None where it has no connection."""
    linked = load_linked(connection, sae, feature_index)
    if linked is None:
        return None
    record, saes = linked.record, linked.saes
    wanted = [
        (item.sae, int(item.feature_index[i]))
        for item in (*record.below, *record.above)
        for i in by_strength(item)[:N_SHOWN]
    ]
    words = words_of(connection, saes, wanted, reader)
    return ConnectionsPanel(
        linked=linked,
        n_examples=record.n_examples,
        below=[
            causes_table(saes[item.sae], item, record.n_examples, words, N_SHOWN)
            for item in record.below
        ],
        above=[effects_table(saes[item.sae], item, words, N_SHOWN) for item in record.above],
    )
