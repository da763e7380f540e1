"""`/`: the models of the atlas and their dictionaries."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep
from app.web.notebook.reader import ReaderDep
from app.web.pages.index import build
from app.web.respond import respond
from app.web.views import PlainView

router = APIRouter()


@router.get("/", summary="Models and dictionaries")
@router.get("/index.json", summary="Models and dictionaries, as JSON")
def index(
    request: Request,
    connection: ConnectionDep,
    reader: ReaderDep,
    view: Annotated[PlainView, Query()],
) -> Response:
    """Every model with its dictionaries and their quality."""
    return respond(request, "index", lambda: build(connection, reader))
