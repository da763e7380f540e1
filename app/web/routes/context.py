"""`/{model}/{sae}/context/{context_id}`: one whole context."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, MemoryDep, SaeDep
from app.web.notebook.reader import ReaderDep
from app.web.pages.context.page import ContextPage, build
from app.web.respond import respond
from app.web.views import ContextView

router = APIRouter()


@router.get("/{model}/{sae}/context/{context_id:number}", summary="One whole context")
@router.get("/{model}/{sae}/context/{context_id:number}.json", summary="One whole context, as JSON")
def context(
    request: Request,
    memory: MemoryDep,
    connection: ConnectionDep,
    sae: SaeDep,
    reader: ReaderDep,
    context_id: Annotated[int, Path(ge=0, lt=10**12)],
    view: Annotated[ContextView, Query()],
) -> Response:
    """Every feature that fires on a chosen token, and how well each token is reconstructed."""

    def page() -> ContextPage:
        try:
            return build(connection, sae, context_id, view, memory)
        except LookupError as error:
            raise HTTPException(404, str(error)) from error

    return respond(request, "context", page)
