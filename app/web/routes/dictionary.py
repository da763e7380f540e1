"""`/{model}/{sae}`: one dictionary and its list of features."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, SaeDep
from app.web.pages.dictionary import build
from app.web.respond import respond
from app.web.views import DictionaryView

router = APIRouter()


@router.get("/{model}/{sae}", summary="One dictionary and its features")
@router.get("/{model}/{sae}.json", summary="One dictionary and its features, as JSON")
def dictionary(
    request: Request,
    connection: ConnectionDep,
    sae: SaeDep,
    view: Annotated[DictionaryView, Query()],
) -> Response:
    """Quality figures, density histogram and a page of the sorted and filtered list."""
    return respond(request, "dictionary", lambda: build(connection, sae, view))
