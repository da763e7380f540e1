"""`/{model}/{sae}/{feature_index}/page.html`: a feature as one file to keep or to send."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, FeatureIndexDep, MemoryDep, SaeDep
from app.web.export.single import render_file
from app.web.pages.feature.page import FeaturePage, build
from app.web.respond import Site, respond_file
from app.web.views import FeatureView, PlainView

router = APIRouter()


@router.get(
    "/{model}/{sae}/{feature_index:number}/page.html", summary="One feature as one HTML file"
)
def feature_file(
    request: Request,
    memory: MemoryDep,
    connection: ConnectionDep,
    sae: SaeDep,
    feature_index: FeatureIndexDep,
    view: Annotated[PlainView, Query()],
) -> Response:
    """Every group of examples, charts as SVG, styles inside; no script, under 400 kB."""
    state = request.app.state

    def page(view: FeatureView) -> FeaturePage:
        return build(connection, sae, feature_index, view, memory)

    def file() -> str:
        build_id, version = request.state.build_id, request.app.version
        site = Site(build_id, "", version, state.public_url, static_copy=True)
        return render_file(state.templates, state.static, site, page)

    name = f"{sae.record.model}-{sae.record.sae}-{feature_index}.html"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return respond_file(request, "text/html", file, headers)
