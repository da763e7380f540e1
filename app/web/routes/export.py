"""`/{model}/{sae}/{feature_index}/page.html`: a feature as one file to keep or to send."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, FeatureIndexDep, MemoryDep, SaeDep
from app.web.export.single import render_file
from app.web.export.written import Written
from app.web.notebook.reader import ReaderDep
from app.web.pages.feature.page import FeaturePage, build
from app.web.respond import Site, respond_file
from app.web.views import FeatureView, FileView

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
    reader: ReaderDep,
    view: Annotated[FileView, Query()],
) -> Response:
    """Every group of examples, charts as SVG, styles inside; no script, under 400 kB.

    Of what people wrote it has what is asked for, and nothing else.
    """
    state = request.app.state
    written = Written(labels=view.labels == "yes", notes=view.notes == "yes")
    seen = reader.seeing(written.scope([(sae, [feature_index])]))

    def page(view: FeatureView) -> FeaturePage:
        return build(connection, sae, feature_index, view, memory, reader=seen)

    def file() -> str:
        build_id, version = request.state.build_id, request.app.version
        site = Site(build_id, "", version, state.public_url, "", True, seen)
        return render_file(state.templates, state.static, site, page)

    name = f"{sae.record.model}-{sae.record.sae}-{feature_index}.html"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return respond_file(request, "text/html", file, headers)
