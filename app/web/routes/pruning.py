"""`/{model}/{sae}/pruning`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, MemoryDep, SaeDep
from app.web.pages.studies.pruning.page import build
from app.web.pages.studies.pruning.view import PruningView
from app.web.respond import respond

router = APIRouter()


@router.get("/{model}/{sae}/pruning", summary="A dictionary without its dense or rare features")
@router.get("/{model}/{sae}/pruning.json", summary="The same as JSON")
def pruning(
    request: Request,
    connection: ConnectionDep,
    memory: MemoryDep,
    sae: SaeDep,
    view: Annotated[PruningView, Query()],
) -> Response:
    """L0, reconstruction and cross-entropy after removal, beside random removal and others."""
    return respond(request, "studies/pruning", lambda: build(connection, sae, view, memory))
