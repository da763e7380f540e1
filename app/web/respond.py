"""From a page's context to an answer: HTML, or its JSON twin, from the same record.

Takes a function that builds the page, so that an unchanged page is answered (304) without building
it. Errors of every kind become one envelope or one page. Knows no page by name.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from app.errors import AtlasError
from app.web.headers import SECURITY_HEADERS
from app.web.urls import json_twin


class Page(Protocol):
    """A page's context: what its template shows and what its twin says."""

    def as_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Site:
    """What every template can say about the whole, besides its own page."""

    build_id: str
    """of the atlas; empty on error pages"""
    json_url: str
    """twin of this page; empty where there is none"""
    version: str


def respond(request: Request, template: str, build: Callable[[], Page]) -> Response:
    """The page as HTML by `pages/{template}.html`, or as JSON where the path ends in `.json`."""
    build_id = request.state.build_id
    etag = f'W/"{build_id}-{request.app.state.code_version}"'
    headers = {"ETag": etag, "Cache-Control": request.app.state.cache_control}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    page = build()
    if wants_json(request):
        return json_response({"ok": True, **page.as_json()}, headers=headers)
    query = request.url.query
    json_url = json_twin(request.url.path + (f"?{query}" if query else ""))
    site = Site(build_id, json_url, request.app.version)
    return _html(request, template, page, site, 200, headers)


def json_response(
    content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """JSON in UTF-8; numbers that aren't finite become null."""
    try:
        body = _dump(content)
    except ValueError:
        body = _dump(_finite(content))
    return Response(body.encode(), status, headers, "application/json")


def wants_json(request: Request) -> bool:
    """Whether a twin is asked for. The address alone decides: one address, one content."""
    return request.url.path.endswith(".json")


def error_response(request: Request, status: int, sentence: str) -> Response:
    """One envelope, or one page, for everything that goes wrong."""
    headers = {"Cache-Control": "no-store"}
    accept = request.headers.get("accept", "")
    if wants_json(request) or ("application/json" in accept and "text/html" not in accept):
        return json_response({"ok": False, "status": status, "error": sentence}, status, headers)
    problem = Problem(status, HTTPStatus(status).phrase, sentence)
    return _html(request, "error", problem, Site("", "", request.app.version), status, headers)


@dataclass(frozen=True)
class Problem:
    """Context of the error page."""

    status: int
    title: str
    sentence: str


async def on_http_exception(request: Request, error: Exception) -> Response:
    """404 and its like; the router's own bare ones get a sentence."""
    assert isinstance(error, HTTPException)
    sentence = str(error.detail)
    if sentence == HTTPStatus(error.status_code).phrase:
        sentence = f"{sentence}: {request.method} {request.url.path}."
    return error_response(request, error.status_code, sentence)


async def on_invalid_arguments(request: Request, error: Exception) -> Response:
    """Arguments that can't be read are 400; a path that can't be is 404."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place, *names = first["loc"]
    message = str(first["msg"]).removeprefix("Value error, ")
    if place == "path":
        return error_response(request, 404, f"There is nothing at {request.url.path}.")
    if first["type"] != "value_error":
        value = first.get("input")
        named = ".".join(str(name) for name in names[:1])
        message = f"The argument {named}={value} can't be used: {message}."
    return error_response(request, 400, message)


async def on_bad_cursor(request: Request, error: Exception) -> Response:
    """A `next` token of another list."""
    return error_response(
        request, 400, f"Can't go on with this list: {error}. Start again without `next`."
    )


async def on_atlas_error(request: Request, error: Exception) -> Response:
    """The atlas can't be shown now: replaced by a file of another version, or gone."""
    assert isinstance(error, AtlasError)
    return error_response(request, 503, str(error))


async def on_any_error(request: Request, _error: Exception) -> Response:
    """A mistake of ours: the log has the trace, the reader a sentence without it.

    Answered outside all middleware, so the headers every answer carries are put on here.
    """
    answer = error_response(
        request, 500, "Something went wrong on the server; its log says what happened."
    )
    answer.headers.update(SECURITY_HEADERS)
    return answer


def _html(
    request: Request, template: str, page: object, site: Site, status: int, headers: dict[str, str]
) -> Response:
    source = request.app.state.templates.get_template(f"pages/{template}.html")
    return HTMLResponse(source.render(page=page, site=site), status, headers)


def _dump(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
