"""`/-/search`: features by the tokens they fire on, promote or suppress."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep
from app.web.pages.search import build
from app.web.respond import respond, wants_json
from app.web.views import SearchView

router = APIRouter()


@router.get("/-/search", summary="Features by token")
@router.get("/-/search.json", summary="Features by token, as JSON")
def search(
    request: Request, connection: ConnectionDep, view: Annotated[SearchView, Query()]
) -> Response:
    """Which vocabulary tokens a text means, and the features strongest on them."""
    return respond(request, "search", lambda: build(connection, view, wants_json(request)))
