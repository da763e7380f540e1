"""`/{model}/{sae}/compare`: two to four features side by side."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, MemoryDep, SaeDep
from app.web.pages.compare.page import ComparePage, build
from app.web.respond import respond
from app.web.views import CompareView

router = APIRouter()


@router.get("/{model}/{sae}/compare", summary="Two to four features side by side")
@router.get("/{model}/{sae}/compare.json", summary="Two to four features side by side, as JSON")
def compare(
    request: Request,
    memory: MemoryDep,
    connection: ConnectionDep,
    sae: SaeDep,
    view: Annotated[CompareView, Query()],
) -> Response:
    """Their figures, histograms, tokens, directions, joint firings, and the same texts."""

    def page() -> ComparePage:
        try:
            indices = view.indices()
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        try:
            return build(connection, sae, indices, view, memory)
        except LookupError as error:
            raise HTTPException(404, str(error)) from error

    return respond(request, "compare", page)
