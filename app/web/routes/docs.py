"""`/-/docs`: what the addresses take and give, rendered from the OpenAPI description."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.web.dependencies import AtlasDep
from app.web.pages.docs import build
from app.web.respond import respond
from app.web.views import PlainView

router = APIRouter(include_in_schema=False)


@router.get("/-/docs")
@router.get("/-/docs.json")
def docs(request: Request, atlas: AtlasDep, view: Annotated[PlainView, Query()]) -> Response:
    """The description of every address, without any asset from elsewhere."""
    return respond(request, "docs", lambda: build(request.app.openapi()))
