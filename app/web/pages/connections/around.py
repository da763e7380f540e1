"""The dictionaries around one feature as columns of nodes, with the lines between them.

Takes what is linked to the feature; chooses the strongest of each dictionary, in order of their
share. Among them there are lines too, where they sit at different hooks. Knows no template.
"""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.studies import pick_feature_studies
from app.db.study_records.connections import Causes, Effects, FeatureConnections
from app.web import text
from app.web.notebook.reader import Reader
from app.web.pages.connections.graph import Drawing, Node, Weight, draw_graph, node_name
from app.web.pages.connections.linked import Linked, Told, by_strength, words_of
from app.web.pages.connections.rows import causes_table, direction, effects_table
from app.web.urls import walk_url
from app.web.views import WalkView


@dataclass(frozen=True)
class ShownNode:
    """One feature of the graph."""

    name: str
    """what lines call it"""
    feature_index: int
    told: Told
    share: str
    """of this feature in the middle, or of the middle one in it; empty in the middle"""
    css: str
    url: str
    """of its own graph"""
    here: bool


@dataclass(frozen=True)
class Column:
    """One dictionary."""

    sae: Sae
    nodes: list[ShownNode]
    side: Literal["below", "here", "above"]
    """of the feature"""


class Around:
    """Nodes and lines around one feature."""

    def __init__(
        self,
        connection: Connection,
        sae: Sae,
        feature_index: int,
        view: WalkView,
        linked: Linked,
        reader: Reader,
    ) -> None:
        self._connection = connection
        self._own: Node = (sae.record.sae, feature_index)
        self._saes = linked.saes | {sae.record.sae: sae}
        record = linked.record
        self._shares: dict[Node, float] = {}
        below = [self._nodes(item, view.size) for item in record.below]
        above = [self._nodes(item, view.size) for item in record.above]
        self._columns = [*below, [self._own], *above]
        listed = {
            (item.sae, index)
            for item in (*record.below, *record.above)
            for index in item.feature_index.tolist()
        }
        self._words = words_of(connection, self._saes, listed | {self._own}, reader)
        n = record.n_examples
        self.below = [
            causes_table(self._saes[item.sae], item, n, self._words) for item in record.below
        ]
        self.above = [
            effects_table(self._saes[item.sae], item, self._words) for item in record.above
        ]

    def columns(self) -> list[Column]:
        """From the bottom of the model to its top."""
        found: list[Column] = []
        side: Literal["below", "above"] = "below"
        for nodes in filter(None, self._columns):
            here = nodes[0] == self._own
            shown = [self._shown(node) for node in nodes]
            found.append(Column(self._saes[nodes[0][0]], shown, "here" if here else side))
            side = "above" if here else side
        return found

    def drawing(self) -> Drawing:
        """Lines from and to the feature, and between the others that are shown."""
        columns = [nodes for nodes in self._columns if nodes]
        return draw_graph(columns, [*self._own_weights(), *self._weights_aside(columns)])

    def _nodes(self, item: Causes | Effects, size: int) -> list[Node]:
        chosen = by_strength(item)[:size]
        # In order of their share, as the table is: what raises above what lowers.
        nodes = [(item.sae, int(item.feature_index[i])) for i in chosen]
        shares = {node: float(item.share[i]) for node, i in zip(nodes, chosen, strict=True)}
        self._shares |= shares
        return sorted(nodes, key=lambda node: -shares[node])

    def _own_weights(self) -> list[Weight]:
        at = next(i for i, nodes in enumerate(self._columns) if nodes == [self._own])
        return [
            Weight(node, self._own, self._shares[node], own=True)
            if number < at
            else Weight(self._own, node, self._shares[node], own=True)
            for number, nodes in enumerate(self._columns)
            if number != at
            for node in nodes
        ]

    def _weights_aside(self, columns: list[list[Node]]) -> list[Weight]:
        """Connections among the neighbours, where these sit at different hooks."""
        shown = {node for nodes in columns for node in nodes} - {self._own}
        found: list[Weight] = []
        for nodes in columns:
            (name,) = {node[0] for node in nodes}
            indices = [index for node_sae, index in nodes if (node_sae, index) != self._own]
            if not indices or len(columns) < 3:
                continue
            records = pick_feature_studies(
                self._connection, FeatureConnections, self._saes[name].sae_id, indices
            )
            for index, record in records.items():
                for causes in record.below:
                    pairs = zip(causes.feature_index.tolist(), causes.share.tolist(), strict=True)
                    found += [
                        Weight((causes.sae, below), (name, index), share, own=False)
                        for below, share in pairs
                        if (causes.sae, below) in shown
                    ]
        return found

    def _shown(self, node: Node) -> ShownNode:
        name, index = node
        share = self._shares.get(node)
        return ShownNode(
            name=node_name(node),
            feature_index=index,
            told=self._words[node],
            share="" if share is None else text.signed_percent(share),
            css="" if share is None else direction(share),
            url=walk_url(self._saes[name], index),
            here=node == self._own,
        )
