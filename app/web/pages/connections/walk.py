"""`/{model}/{sae}/{feature_index}/connections`: what causes a feature and what it feeds, to walk.

`build` lays the strongest of each dictionary out as a graph, in columns from the bottom of the
model to its top, and lists all that is stored under it. A node leads to its own graph.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import get_feature
from app.db.records import FeatureRecord
from app.db.studies import others_of
from app.web import text
from app.web.notebook.reader import NO_NOTEBOOK, Reader
from app.web.pages.connections.around import Around, Column
from app.web.pages.connections.graph import Drawing
from app.web.pages.connections.linked import STUDY, Linked, load_linked
from app.web.pages.connections.rows import LinkTable
from app.web.pages.policy import corpus_sentence
from app.web.pages.studies.ways import Way, not_measured, ways_of
from app.web.urls import walk_url
from app.web.views import WalkView


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
            "hook_name_out": self.sae.record.hook_name_out,
            "connections": None if self.linked is None else self.linked.as_json(),
            "columns": [
                {
                    "sae": column.sae.record.sae,
                    "hook_name": column.sae.record.hook_name,
                    "hook_name_out": column.sae.record.hook_name_out,
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
    found = None if linked is None else Around(connection, sae, feature_index, view, linked, reader)
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
