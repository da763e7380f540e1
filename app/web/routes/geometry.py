"""`/{model}/{sae}/geometry`: where a dictionary's directions lie to each other."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, MemoryDep, SaeDep
from app.web.notebook.reader import ReaderDep
from app.web.pages.studies.geometry.page import build
from app.web.pages.studies.geometry.view import GeometryView
from app.web.respond import respond

router = APIRouter()


@router.get("/{model}/{sae}/geometry", summary="The geometry of a dictionary's directions")
@router.get("/{model}/{sae}/geometry.json", summary="The geometry of its directions, as JSON")
def geometry(
    request: Request,
    connection: ConnectionDep,
    memory: MemoryDep,
    sae: SaeDep,
    reader: ReaderDep,
    view: Annotated[GeometryView, Query()],
) -> Response:
    """Nearest neighbours beside chance, hubs, near-duplicates, norms, neuron alignment."""
    return respond(request, "studies/geometry", lambda: build(connection, sae, view, memory))
