"""`/{model}/{sae}/matches`: a dictionary's features among those of another at its hook."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, MemoryDep, SaeDep
from app.web.notebook.reader import ReaderDep
from app.web.pages.studies.matches.page import build
from app.web.pages.studies.matches.view import MatchesView
from app.web.respond import respond

router = APIRouter()


@router.get("/{model}/{sae}/matches", summary="A dictionary's features in another one")
@router.get("/{model}/{sae}/matches.json", summary="Its features in another one, as JSON")
def matches(
    request: Request,
    connection: ConnectionDep,
    memory: MemoryDep,
    sae: SaeDep,
    reader: ReaderDep,
    view: Annotated[MatchesView, Query()],
) -> Response:
    """Best matches both ways beside chance, what is new, one to one where it was asked for."""
    return respond(request, "studies/matches", lambda: build(connection, sae, view, memory))
