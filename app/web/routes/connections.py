"""The connections of a dictionary, and the graph around one of its features."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, FeatureIndexDep, SaeDep
from app.web.notebook.reader import ReaderDep
from app.web.pages.connections import dictionary, walk
from app.web.respond import respond
from app.web.views import ConnectionsView, WalkView

router = APIRouter()


@router.get("/{model}/{sae}/connections", summary="Connections to dictionaries at other hooks")
@router.get("/{model}/{sae}/connections.json", summary="Connections of a dictionary, as JSON")
def connections_page(
    request: Request,
    connection: ConnectionDep,
    sae: SaeDep,
    reader: ReaderDep,
    _view: Annotated[ConnectionsView, Query()],
) -> Response:
    """How much those below explain, the strongest connections, and what removals really did."""
    return respond(
        request, "studies/connections", lambda: dictionary.build(connection, sae, reader)
    )


@router.get("/{model}/{sae}/{feature_index:number}/connections", summary="What causes a feature")
@router.get(
    "/{model}/{sae}/{feature_index:number}/connections.json",
    summary="What causes a feature and what it feeds, as JSON",
)
def walk_page(
    request: Request,
    connection: ConnectionDep,
    sae: SaeDep,
    feature_index: FeatureIndexDep,
    reader: ReaderDep,
    view: Annotated[WalkView, Query()],
) -> Response:
    """Its strongest causes below and what it feeds above, as a graph to walk."""
    return respond(
        request,
        "connections-walk",
        lambda: walk.build(connection, sae, feature_index, view, reader),
    )
