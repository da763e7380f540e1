"""`/{model}/{sae}/{feature_index}/connections`: what causes a feature and what it feeds, to walk.

`build` lays the strongest of each dictionary out as a graph, in columns from the bottom of the
model to its top, and lists all that is stored under it. A node leads to its own graph.
"""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import get_feature
from app.db.records import FeatureRecord
from app.db.studies import others_of, pick_feature_studies
from app.db.study_records.connections import Causes, Effects, FeatureConnections
from app.web import text
from app.web.notebook.reader import NO_NOTEBOOK, Reader
from app.web.pages.connections.graph import Drawing, Node, Weight, draw_graph, node_name
from app.web.pages.connections.linked import (
    STUDY,
    Linked,
    Told,
    by_strength,
    load_linked,
    words_of,
)
from app.web.pages.connections.rows import (
    LinkTable,
    causes_table,
    direction,
    effects_table,
)
from app.web.pages.policy import corpus_sentence
from app.web.pages.studies.ways import Way, not_measured, ways_of
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


@dataclass(frozen=True)
class WalkPage:
    """Context of `pages/connections-walk.html`."""

    sae: Sae
    record: FeatureRecord
    view: WalkView
    ways: list[Way]
    label: str
    columns: list[Column]
    drawing: Drawing | None
    """None where it has no connection"""
    absent: str
    """why, then"""
    n_examples: int
    hidden_pre: str
    below: list[LinkTable]
    above: list[LinkTable]
    linked: Linked | None
    sizes: list[tuple[int, str, bool]]
    """(features of each dictionary, address, chosen)"""
    corpus_note: str

    def as_json(self) -> dict[str, Any]:
        """All that is stored of the feature, and the lines of the graph as drawn."""
        return {
            "model": self.sae.record.model,
            "sae": self.sae.record.sae,
            "feature_index": self.record.feature_index,
            "hook_name": self.sae.record.hook_name,
            "connections": None if self.linked is None else self.linked.as_json(),
            "columns": [
                {
                    "sae": column.sae.record.sae,
                    "hook_name": column.sae.record.hook_name,
                    "features": [node.feature_index for node in column.nodes],
                }
                for column in self.columns
            ],
        }


def build(
    connection: Connection,
    sae: Sae,
    feature_index: int,
    view: WalkView,
    reader: Reader = NO_NOTEBOOK,
) -> WalkPage:
    """The graph around a feature that exists.

    Raises:
        HTTPException: 404 where the study was skipped, or all dictionaries sat at one hook.
    """
    if not others_of(connection, STUDY, sae.sae_id):
        raise not_measured(sae, STUDY)
    record = get_feature(connection, sae.sae_id, feature_index)
    assert record is not None  # the route has looked
    linked = load_linked(connection, sae, feature_index)
    found = None if linked is None else _Graph(connection, sae, feature_index, view, linked, reader)
    return WalkPage(
        sae=sae,
        record=record,
        view=view,
        ways=ways_of(connection, sae, STUDY),
        label=reader.name(sae, feature_index),
        columns=[] if found is None else found.columns(),
        drawing=None if found is None else found.drawing(),
        absent="" if found else _why(record),
        n_examples=0 if linked is None else linked.record.n_examples,
        hidden_pre="" if linked is None else text.number(linked.record.hidden_pre),
        below=[] if found is None else found.below,
        above=[] if found is None else found.above,
        linked=linked,
        sizes=[
            (n, walk_url(sae, feature_index, WalkView(size=n).arguments()), n == view.size)
            for n in (4, 8, 16)
        ],
        corpus_note=corpus_sentence(sae),
    )


def _why(record: FeatureRecord) -> str:
    if not record.n_active:
        return "It never fired, so there is no example to measure its connections on."
    return (
        "It is connected to nothing that is stored: no dictionary lies below it, and it is not "
        "among the strongest causes of a feature above."
    )


class _Graph:
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
