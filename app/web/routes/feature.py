"""`/{model}/{sae}/{feature_index}`: one feature; `/random`: a living one."""

import random
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.db.features import random_living_feature
from app.web import urls
from app.web.dependencies import AtlasDep, ConnectionDep, FeatureIndexDep, SaeDep
from app.web.pages.feature import FeaturePage, build
from app.web.respond import respond, wants_json
from app.web.views import FeatureView, PlainView

router = APIRouter()


@router.get("/{model}/{sae}/random", summary="A living feature (303)")
def random_feature(
    connection: ConnectionDep, sae: SaeDep, view: Annotated[PlainView, Query()]
) -> Response:
    """Redirects to a feature that fires, each equally likely."""
    feature_index = random_living_feature(connection, sae.sae_id, random.random())
    if feature_index is None:
        raise HTTPException(404, f"No feature of {sae.address} fires in its corpus.")
    url = urls.feature_url(sae, feature_index)
    return RedirectResponse(url, 303, {"Cache-Control": "no-store"})


@router.get("/{model}/{sae}/{feature_index:int}", summary="One feature")
@router.get("/{model}/{sae}/{feature_index:int}.json", summary="One feature, as JSON")
def feature(
    request: Request,
    atlas: AtlasDep,
    connection: ConnectionDep,
    sae: SaeDep,
    feature_index: FeatureIndexDep,
    view: Annotated[FeatureView, Query()],
) -> Response:
    """What it fires on, what it does, and the examples with their ablated text."""

    def page() -> FeaturePage:
        memory = request.app.state.memory.get(atlas.build_id)
        everything = wants_json(request)
        try:
            return build(connection, sae, feature_index, view, memory, everything)
        except LookupError as error:
            raise HTTPException(404, str(error)) from error

    return respond(request, "feature", page)
