"""`/{model}/{sae}/compare`: two to four features side by side."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from app.db.catalog import Sae
from app.web.dependencies import ConnectionDep, MemoryDep, SaeDep
from app.web.feature_numbers import FEWEST, MOST, readable_features
from app.web.notebook.reader import ReaderDep
from app.web.pages.compare.page import ComparePage, build
from app.web.respond import respond
from app.web.urls import compare_url, feature_url
from app.web.views import CompareView

router = APIRouter()


@router.get("/{model}/{sae}/compare", summary="Two to four features side by side")
@router.get("/{model}/{sae}/compare.json", summary="Two to four features side by side, as JSON")
def compare(
    request: Request,
    memory: MemoryDep,
    connection: ConnectionDep,
    sae: SaeDep,
    reader: ReaderDep,
    view: Annotated[CompareView, Query()],
) -> Response:
    """Their figures, histograms, tokens, directions, joint firings, and the same texts."""

    def page() -> ComparePage:
        try:
            named = view.named()
        except ValueError as error:
            request.state.back_url = _nearest(sae, view)
            raise HTTPException(400, str(error)) from error
        try:
            return build(connection, sae, named, view, memory)
        except LookupError as error:
            request.state.back_url = _nearest(sae, view)
            raise HTTPException(404, str(error)) from error

    return respond(request, "compare", page)


def _nearest(sae: Sae, view: CompareView) -> str:
    """The address of what can be shown of a list with mistakes; empty where that is nothing."""
    found = [i for i in readable_features(view.features) if i < sae.record.n_indices][:MOST]
    if len(found) < FEWEST:
        return feature_url(sae, found[0]) if found else ""
    return compare_url(sae, found)
