"""From a page's context to an answer: HTML, or its JSON twin, from the same record.

Takes a function that builds the page, so that an unchanged page is answered (304) without building
it. Errors of every kind become one envelope or one page. Knows no page by name.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.errors import AtlasError, echoed, visible
from app.web.access.visit import ANYBODY, Visit, visit
from app.web.headers import SECURITY_HEADERS
from app.web.notebook.reader import NO_NOTEBOOK, Reader
from app.web.share_links.page import only_open
from app.web.urls import json_twin, with_query


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
    public_url: str = ""
    """where others reach the server, without a slash at its end; empty where nobody said"""
    address: str = ""
    """of this page on it, from the root, with its view; empty on error pages"""
    static_copy: bool = False
    """the page becomes a file, which nothing can be asked of"""
    reader: Reader = NO_NOTEBOOK
    """what features are called by those who labelled them"""


def respond(
    request: Request,
    template: str,
    build: Callable[[], Page],
    extra_headers: Mapping[str, str] | None = None,
    status: int = 200,
    kept: bool = True,
) -> Response:
    """The page as HTML by `pages/{template}.html`, or as JSON where the path ends in `.json`.

    Args:
        status: another than 200 for a page that says itself what was wrong; never kept.
        kept: False for a page of more than the atlas: nobody keeps it.
    """
    headers = {**validators(request), **(extra_headers or {})}
    if status != 200 or not kept:
        headers = {"Cache-Control": "no-store", **(extra_headers or {})}
    elif is_fresh(request, headers):
        return Response(status_code=304, headers=headers)
    page = build()
    if wants_json(request):
        return json_response({"ok": True, **page.as_json()}, headers=headers)
    query = request.url.query
    address = request.url.path + (f"?{query}" if query else "")
    json_url = json_twin(address) if status == 200 else ""
    public_url = request.app.state.public_url
    static_copy = request.app.state.static_copy
    version = request.app.version
    reader = getattr(request.state, "reader", NO_NOTEBOOK)
    build_id = request.state.build_id
    site = Site(build_id, json_url, version, public_url, address, static_copy, reader)
    return render(request, template, page, site, status, headers)


def respond_file(
    request: Request,
    media_type: str,
    build: Callable[[], str | bytes],
    extra_headers: Mapping[str, str] | None = None,
) -> Response:
    """A drawing, a picture or a document made from the atlas, as fresh as a page."""
    headers = {**validators(request), **(extra_headers or {})}
    if is_fresh(request, headers):
        return Response(status_code=304, headers=headers)
    return Response(build(), 200, headers, media_type)


def validators(request: Request) -> dict[str, str]:
    """Headers by which a browser asks whether what it has still holds."""
    state = request.state
    code = request.app.state.code_version
    etag = f'W/"{state.build_id}-{code}-{state.viewer_tag}{_notebook_tag(request)}"'
    return {"ETag": etag, "Cache-Control": _cache_control(state.visit)}


def _notebook_tag(request: Request) -> str:
    """Of a page that shows what people wrote: how many changes there have been."""
    reader = getattr(request.state, "reader", NO_NOTEBOOK)
    return f"-{reader.counter}" if reader.kept else ""


def _cache_control(visit: Visit) -> str:
    """Who may keep an answer: nobody what a link opens, which can be revoked."""
    if visit.share is not None:
        return "private, no-store"
    return "no-cache" if visit.viewer == ANYBODY else "private, no-cache"


def is_fresh(request: Request, headers: Mapping[str, str]) -> bool:
    """Whether the asker already has what it asks for."""
    return headers["ETag"] in request.headers.get("if-none-match", "")


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


def prefers_json(request: Request) -> bool:
    """Whether an error is told to a program: by the address, or by what it says it accepts."""
    accept = request.headers.get("accept", "")
    return wants_json(request) or ("application/json" in accept and "text/html" not in accept)


def error_response(
    request: Request, status: int, sentence: str, without: Iterable[str] | None = None
) -> Response:
    """One envelope, or one page, for everything that goes wrong.

    Args:
        without: arguments the page would open without, for a link back; None where none would help.
    """
    sentence = visible(sentence)  # it may repeat what was sent
    headers = {"Cache-Control": "no-store"}
    if prefers_json(request):
        return json_response({"ok": False, "status": status, "error": sentence}, status, headers)
    back = "" if without is None else _url_without(request, without)
    if not back:
        back = getattr(request.state, "back_url", "")
    list_url = getattr(request.state, "list_url", "")
    title = _TITLES.get(status, HTTPStatus(status).phrase)
    problem = Problem(status, title, sentence, back, "" if list_url == back else list_url)
    return render(request, "error", problem, Site("", "", request.app.version), status, headers)


_TITLES = {
    400: "This can’t be read",
    403: "Not allowed",
    404: "Not here",
    410: "This link has ended",
    429: "Too much at once",
    500: "Something went wrong",
    503: "Not now",
}
"""What heads an error page, where HTTP's own words are those of programs."""


@dataclass(frozen=True)
class Problem:
    """Context of the error page."""

    status: int
    title: str
    sentence: str
    back: str
    """the same page without what is wrong, or the one nearest to it; empty where there is none"""
    list_url: str
    """the features of the dictionary it is about; empty where it is about none"""


async def on_http_exception(request: Request, error: Exception) -> Response:
    """404 and its like; the router's own bare ones get a sentence."""
    assert isinstance(error, HTTPException)
    sentence = str(error.detail)
    if sentence == HTTPStatus(error.status_code).phrase:
        sentence = f"{sentence}: {echoed(request.method)} {echoed(request.url.path)}."
    # The parsers' own words:
    if sentence.startswith("Field exceeded maximum size"):
        sentence = "A field of this form is longer than 1 MB: nothing was saved."
    if sentence == "There was an error parsing the body":
        sentence = "What was sent can't be read: it is cut off, or not what its Content-Type says."
    answer = error_response(request, error.status_code, sentence)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = ", ".join(_methods(request))
    return answer


def _methods(request: Request) -> list[str]:
    """What this address can be asked by; whatever answers GET answers HEAD."""

    def answers(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes)

    found = {"GET": ["GET", "HEAD"], "POST": ["POST"]}
    return [name for method, names in found.items() if answers(method) for name in names]


async def on_invalid_arguments(request: Request, error: Exception) -> Response:
    """Arguments that can't be read are 400; a path that can't be is 404."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place, *names = first["loc"]
    message = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "json_invalid":
        said = str(first["ctx"]["error"]).lower()
        return error_response(
            request, 400, f"What was sent is no JSON: {said} at character {names[0]}."
        )
    if place == "body" and not names:
        sentence = "A JSON object is wanted here, with Content-Type: application/json."
        return error_response(request, 400, sentence)
    if place == "path":
        return error_response(request, 404, f"There is nothing at {echoed(request.url.path)}.")
    if first["type"] != "value_error":
        value = first.get("input")
        named = ".".join(str(name) for name in names[:1])
        message = f"The argument {echoed(named)}={echoed(value)} can't be used: {message}."
    # An unknown argument has no name here: then the page opens without any.
    wrong = [str(name) for name in names[:1]] or request.query_params.keys()
    return error_response(request, 400, message, wrong)


async def on_bad_cursor(request: Request, error: Exception) -> Response:
    """A `next` token of another list."""
    return error_response(
        request, 400, f"Can't go on with this list: {error}. Start again without `next`.", ["next"]
    )


async def on_atlas_error(request: Request, error: Exception) -> Response:
    """The atlas can't be shown now: replaced by a file of another version, or gone."""
    assert isinstance(error, AtlasError)
    folder = f"{request.app.state.atlas_file.path.parent}/"  # not for visitors to know
    return error_response(request, 503, str(error).replace(folder, ""))


async def on_absent(request: Request, error: Exception) -> Response:
    """There is no such label, note or list."""
    return error_response(request, 404, str(error))


async def on_not_allowed(request: Request, error: Exception) -> Response:
    """What was sent can't be kept."""
    return error_response(request, 400, str(error))


async def on_damaged_atlas(request: Request, _error: Exception) -> Response:
    """The file can be opened, but not read where the page needs it."""
    sentence = "The atlas is damaged: `feature-atlas check` says where. Build it again."
    return error_response(request, 503, sentence)


async def on_any_error(request: Request, _error: Exception) -> Response:
    """A mistake of ours: the log has the trace, the reader a sentence without it.

    Answered outside all middleware, so the headers every answer carries are put on here.
    """
    answer = error_response(
        request, 500, "Something went wrong on the server; its log says what happened."
    )
    answer.headers.update(SECURITY_HEADERS)
    return answer


def _url_without(request: Request, names: Iterable[str]) -> str:
    """This address without some arguments, and from the start of its list."""
    left_out = {*names, "next"}
    kept = [(k, v) for k, v in request.query_params.multi_items() if k not in left_out and v]
    return with_query(quote(request.url.path), kept)


def render(
    request: Request, template: str, page: object, site: Site, status: int, headers: dict[str, str]
) -> Response:
    """A page by its template; of a shared one whatever the link doesn't open is no link."""
    source = request.app.state.templates.get_template(f"pages/{template}.html")
    html = source.render(page=page, site=site)
    share = visit().share
    return HTMLResponse(html if share is None else only_open(html, share), status, headers)


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
