"""`/{model}/{sae}/{feature_index}`: one feature; `/random`: a living one."""

import random
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.stats.reading.errors import ReadingError
from app.web import urls
from app.web.dependencies import ConnectionDep, FeatureIndexDep, MemoryDep, SaeDep
from app.web.embed import parse_embed
from app.web.headers import framed_by
from app.web.notebook.reader import ReaderDep
from app.web.pages.feature.embed import EmbedPage, whole_view
from app.web.pages.feature.page import FeaturePage, build
from app.web.respond import respond, wants_json
from app.web.views import FeatureView, PlainView

router = APIRouter()

_BYTES_OF_LIVE = 3_000
"""The text field, and a link at each example that has no ablated text"""


@router.get(
    "/{model}/{sae}/random",
    summary="A living feature (303)",
    status_code=303,
    response_class=RedirectResponse,
)
def random_feature(
    memory: MemoryDep,
    connection: ConnectionDep,
    sae: SaeDep,
    view: Annotated[PlainView, Query()],
) -> Response:
    """Redirects to a feature that fires, each equally likely."""
    feature_index = memory.columns(connection, sae.sae_id).living_feature(random.random())
    if feature_index is None:
        raise HTTPException(404, f"No feature of {sae.address} fires in its corpus.")
    url = urls.feature_url(sae, feature_index)
    return RedirectResponse(url, 303, {"Cache-Control": "no-store"})


@router.get("/{model}/{sae}/{feature_index:number}", summary="One feature")
@router.get("/{model}/{sae}/{feature_index:number}.json", summary="One feature, as JSON")
def feature(
    request: Request,
    memory: MemoryDep,
    connection: ConnectionDep,
    sae: SaeDep,
    feature_index: FeatureIndexDep,
    reader: ReaderDep,
    view: Annotated[FeatureView, Query()],
) -> Response:
    """What it fires on, what it does, and the examples with their ablated text."""
    live = request.app.state.live
    beside = _BYTES_OF_LIVE if live is not None and sae.address in live.saes else 0

    def page() -> FeaturePage:
        everything = wants_json(request)
        try:
            shown = whole_view(view)
            return build(connection, sae, feature_index, shown, memory, everything, reader, beside)
        except LookupError as error:
            raise HTTPException(404, str(error)) from error
        except ReadingError as error:
            raise HTTPException(400, str(error)) from error

    if view.embed is not None and not wants_json(request):
        headers = framed_by(request.app.state.embed_hosts)
        panels = parse_embed(view.embed)
        return respond(request, "embed", lambda: EmbedPage(page(), panels), headers)
    return respond(request, "feature", page)
