"""`/{model}/{sae}/combined`: which features need two tokens together, and which take either."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, MemoryDep, SaeDep
from app.web.notebook.reader import ReaderDep
from app.web.pages.studies import combined
from app.web.respond import respond
from app.web.views import CombinedView

router = APIRouter()


@router.get("/{model}/{sae}/combined", summary="Conjunctions and alternatives of tokens")
@router.get("/{model}/{sae}/combined.json", summary="Conjunctions and alternatives, as JSON")
def combined_page(
    request: Request,
    connection: ConnectionDep,
    memory: MemoryDep,
    sae: SaeDep,
    reader: ReaderDep,
    view: Annotated[CombinedView, Query()],
) -> Response:
    """Features by the strongest interaction of two tokens before their peaks."""
    return respond(
        request, "studies/combined", lambda: combined.build(connection, sae, view, memory, reader)
    )
