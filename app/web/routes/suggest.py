"""`/-/suggest.json`: suggestions for the search box."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, MemoryDep
from app.web.notebook.reader import ReaderDep
from app.web.pages.search.suggest import SuggestView, build
from app.web.respond import respond

router = APIRouter()


@router.get("/-/suggest.json", summary="What a text being typed may become, as JSON")
def suggest(
    request: Request,
    connection: ConnectionDep,
    memory: MemoryDep,
    reader: ReaderDep,
    view: Annotated[SuggestView, Query()],
) -> Response:
    """Tokens, labels, features and phrases that begin with what is typed."""
    return respond(request, "suggest", lambda: build(connection, memory, view, reader))
