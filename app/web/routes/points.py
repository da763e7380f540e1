"""`/{model}/{sae}/map` and the numbers that charts of a whole dictionary are drawn from."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, FeatureIndexDep, MemoryDep, SaeDep
from app.web.notebook.reader import ReaderDep
from app.web.pages.points import card as point
from app.web.pages.points import map as direction_map
from app.web.pages.points import points
from app.web.respond import respond
from app.web.views import MapView, PlainView, PointsView

router = APIRouter()


@router.get("/{model}/{sae}/map", summary="The map of decoder directions")
@router.get("/{model}/{sae}/map.json", summary="The map of decoder directions, as JSON")
def direction_map_page(
    request: Request,
    connection: ConnectionDep,
    memory: MemoryDep,
    sae: SaeDep,
    reader: ReaderDep,
    view: Annotated[MapView, Query()],
) -> Response:
    """Every feature at the place of its direction, and those that fire on a token."""
    return respond(request, "map", lambda: direction_map.build(connection, sae, view, memory))


@router.get("/{model}/{sae}/points.json", summary="Two or three numbers of every feature")
def points_of_sae(
    request: Request,
    connection: ConnectionDep,
    memory: MemoryDep,
    sae: SaeDep,
    view: Annotated[PointsView, Query()],
) -> Response:
    """Columns in order of feature_index, for charts that draw all features."""
    return respond(request, "points", lambda: points.build(connection, sae, view, memory))


@router.get(
    "/{model}/{sae}/points/{feature_index:number}.json", summary="One feature in a few words"
)
def point_of_sae(
    request: Request,
    connection: ConnectionDep,
    sae: SaeDep,
    reader: ReaderDep,
    feature_index: FeatureIndexDep,
    _view: Annotated[PlainView, Query()],
) -> Response:
    """Its short form and its label, as the card of a point shows them."""
    return respond(request, "points", lambda: point.build(connection, sae, feature_index, reader))
