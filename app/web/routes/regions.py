"""`/{model}/{sae}/regions`: features ranked by how they fill their spans."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, MemoryDep, SaeDep
from app.web.notebook.reader import ReaderDep
from app.web.pages.studies import regions
from app.web.respond import respond
from app.web.views import RegionsView

router = APIRouter()


@router.get("/{model}/{sae}/regions", summary="Token or region: features by their spans")
@router.get("/{model}/{sae}/regions.json", summary="Features by their spans, as JSON")
def regions_page(
    request: Request,
    connection: ConnectionDep,
    memory: MemoryDep,
    sae: SaeDep,
    reader: ReaderDep,
    view: Annotated[RegionsView, Query()],
) -> Response:
    """Span fill, run length, lift, and what smoothing leaves of the switches."""
    return respond(
        request, "studies/regions", lambda: regions.build(connection, sae, view, memory, reader)
    )
