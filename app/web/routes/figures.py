"""`/{model}/{sae}/{feature_index}/figure.svg`: a panel of a feature as a drawing."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from app.web.dependencies import ConnectionDep, FeatureIndexDep, MemoryDep, SaeDep
from app.web.figures.catalog import draw_figure, source_address
from app.web.figures.view import FigureView
from app.web.notebook.reader import ReaderDep
from app.web.pages.feature.page import build
from app.web.respond import respond_file

router = APIRouter()


@router.get(
    "/{model}/{sae}/{feature_index:number}/figure.svg", summary="One panel of a feature, as SVG"
)
def figure(
    request: Request,
    memory: MemoryDep,
    connection: ConnectionDep,
    sae: SaeDep,
    feature_index: FeatureIndexDep,
    reader: ReaderDep,
    view: Annotated[FigureView, Query()],
) -> Response:
    """The examples or a chart under this view, for papers: no chrome, nothing external."""

    def draw() -> str:
        try:
            page = build(connection, sae, feature_index, view.view(), memory)
            address = source_address(page, request.app.state.public_url)
            return draw_figure(page, view.panel, address, reader.name(sae, feature_index))
        except LookupError as error:
            raise HTTPException(404, str(error)) from error

    name = f"{sae.record.sae}-{feature_index}-{view.panel}.svg"
    headers = {"Content-Disposition": f'inline; filename="{name}"'}
    return respond_file(request, "image/svg+xml", draw, headers)
