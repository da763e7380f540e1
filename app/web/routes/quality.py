"""`/{model}/{sae}/quality` and `/{model}/{sae}/norms`: how well a dictionary works, and on what."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, MemoryDep, SaeDep
from app.web.pages.studies.norms import page as norms_page
from app.web.pages.studies.norms.view import NormsView
from app.web.pages.studies.quality import page as quality_page
from app.web.respond import respond
from app.web.views import PlainView

router = APIRouter()


@router.get("/{model}/{sae}/quality", summary="The quality of a dictionary")
@router.get("/{model}/{sae}/quality.json", summary="The quality of a dictionary, as JSON")
def quality(
    request: Request,
    connection: ConnectionDep,
    memory: MemoryDep,
    sae: SaeDep,
    _view: Annotated[PlainView, Query()],
) -> Response:
    """Every figure with its formula, distributions over tokens, and what other tools print."""
    return respond(request, "studies/quality", lambda: quality_page.build(connection, sae, memory))


@router.get("/{model}/{sae}/norms", summary="Norms of the activations a dictionary reads")
@router.get("/{model}/{sae}/norms.json", summary="Norms of its activations, as JSON")
def norms(
    request: Request,
    connection: ConnectionDep,
    memory: MemoryDep,
    sae: SaeDep,
    view: Annotated[NormsView, Query()],
) -> Response:
    """Norms by position and by token, and the outliers among them."""
    return respond(
        request, "studies/norms", lambda: norms_page.build(connection, sae, view, memory)
    )
