"""`/{model}/{sae}/effects`: what the model loses without each feature."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, MemoryDep, SaeDep
from app.web.notebook.reader import ReaderDep
from app.web.pages.studies import effects
from app.web.respond import respond
from app.web.views import EffectsView

router = APIRouter()


@router.get("/{model}/{sae}/effects", summary="Effects: what the model loses without a feature")
@router.get("/{model}/{sae}/effects.json", summary="Effects of removing features, as JSON")
def effects_page(
    request: Request,
    connection: ConnectionDep,
    memory: MemoryDep,
    sae: SaeDep,
    reader: ReaderDep,
    view: Annotated[EffectsView, Query()],
) -> Response:
    """ΔCE and KL against density and largest activation, and the features that matter most."""
    return respond(
        request, "studies/effects", lambda: effects.build(connection, sae, view, memory, reader)
    )
