"""`/-/search`: features by tokens, by what their examples show, by their summaries."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.web.dependencies import ConnectionDep, MemoryDep
from app.web.description import ONWARD
from app.web.notebook.reader import ReaderDep
from app.web.pages.search.page import SearchPage, build, only_feature
from app.web.respond import respond, wants_json
from app.web.views import SearchView

router = APIRouter()


@router.get("/-/search", summary="Features by token, example or summary", responses=ONWARD)
@router.get("/-/search.json", summary="The same as JSON")
def search(
    request: Request,
    connection: ConnectionDep,
    memory: MemoryDep,
    reader: ReaderDep,
    view: Annotated[SearchView, Query()],
) -> Response:
    """What a text means in the vocabulary, and the features that answer to it.

    The page of a text that names one feature (`#120` with `sae`, or `name#120`) is that feature's
    own: 303.
    """
    if not wants_json(request) and (url := only_feature(connection, view)):
        return RedirectResponse(url, 303, {"Cache-Control": "no-store"})
    everything = wants_json(request)

    def page() -> SearchPage:
        return build(connection, memory, view, everything, reader)

    return respond(request, "search", page)
