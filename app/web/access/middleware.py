"""Names the viewer of every request; refuses whom nothing lets in, and whom too much was asked by.

A key in the `Authorization` header, a link with `?key=…`, the cookie such a link leaves, the name a
trusted proxy gives, a share link: the first that holds, in this order. A server nobody made a key
for belongs to this machine's own user, or where it is public to anybody, to look. Only the health
check, the project's own static files and the opening of share links answer to all. Knows no page.
"""

import getpass
import hashlib
import hmac
import re
from urllib.parse import quote

from fastapi import Request
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access import times
from app.access.keys import Key, cookie_of
from app.access.shares import Share, sign
from app.access.viewer import Role, Viewer
from app.errors import AtlasError
from app.notebook.errors import NotebookError
from app.settings import Settings
from app.web.access.cookies import Cookies
from app.web.access.lookup import Found, look_up
from app.web.access.proxies import trusted_name
from app.web.access.shown import Shown, take_shown
from app.web.access.visit import ANYBODY, NOBODY, OUTSIDE, Visit, begin_visit
from app.web.access.write_log import log_write
from app.web.limits import Buckets, peer_name
from app.web.pages.refused import refuse
from app.web.respond import error_response
from app.web.same_site import make_token, use_token
from app.web.share_links.grant import grant_of

_FREE = re.compile(r"/-/(health|static/[^/]+/.+)")
_OPENING = re.compile(r"/-/open/[^/]*")
_READS = ("GET", "HEAD")
KEY_NAME = "the access key"
"""Who writes where only the one key of --access-key was shown"""


class AccessMiddleware:
    """Goes before every page."""

    def __init__(
        self, app: ASGIApp, settings: Settings, notebook: Engine | None, cookies: Cookies
    ) -> None:
        self._app = app
        self._settings = settings
        self._notebook = notebook
        self._cookies = cookies
        self._token = cookie_of(settings.key) if settings.key else ""
        # Once a key has been seen to exist, a notebook that goes away opens nothing.
        self._locked = bool(settings.key or settings.trusted_header)
        self._asks_notebook = not (settings.key or settings.trusted_header or settings.public)
        self._known_open = False
        """the notebook could be read, and nobody had made a key"""
        per_second = settings.requests_per_second
        self._asking = Buckets(per_second, max(1, 10 * per_second))
        self._writing = Buckets(per_second / 10, max(1, 2 * per_second))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if _FREE.fullmatch(scope["path"]):
            self._begin(request, NOBODY, "")
            await self._app(scope, receive, send)
            return
        answer = await self._judge(request)
        if answer is not None:
            await answer(scope, receive, send)
            return
        await log_write(self._app, request)(scope, receive, send)

    async def _judge(self, request: Request) -> Response | None:
        """None lets the request through, with its visit begun."""
        if _OPENING.fullmatch(request.scope["path"]):
            self._begin(request, NOBODY, "")
            return self._slow_down(request, NOBODY)
        shown = take_shown(request, self._cookies.key_name, self._cookies.links_name)
        try:
            found = await self._look_up(shown)
            name = trusted_name(request.state.trusted_name)
        except NotebookError as error:
            return error_response(request, 503, str(error))
        except AtlasError as error:
            return error_response(request, 400, str(error))
        self._locked = self._locked or found.locked
        if shown.address_key is not None:
            return self._let_in(request, shown.address_key, found)
        visit = self._visit(request, shown, found, name)
        if visit is None:
            return self._slow_down(request, None) or refuse(
                request, bool(shown.header_key), found.shares, bool(shown.links)
            )
        self._begin(request, visit, found.secret)
        return self._slow_down(request, visit)

    async def _look_up(self, shown: Shown) -> Found:
        """What the notebook says; where it can't be read, what holds without it.

        Raises:
            NotebookError: it can't be read, and only its keys say who may look.
        """
        if self._notebook is None:
            return Found()
        try:
            found = await run_in_threadpool(look_up, self._notebook, shown)
        except NotebookError:
            if self._known_open or not self._asks_notebook:
                return Found()
            raise
        self._known_open = not found.locked
        return found

    def _visit(self, request: Request, shown: Shown, found: Found, name: str) -> Visit | None:
        """By what right somebody asks; None where by none."""
        own = self._own_visit(request, shown, found, name)
        if own is not None and _sees(own.viewer, request.scope["path"]):
            return own
        share = _opening_share(request, found)
        if share is None:
            return own
        text = sign(found.secret, share.share_id)
        return Visit(_reader_of(share), self._locked, share=share, share_text=text)

    def _own_visit(self, request: Request, shown: Shown, found: Found, name: str) -> Visit | None:
        if request.app.state.static_copy:
            return OUTSIDE
        if shown.header_key:
            if found.header_key:
                return _visit_of(found.header_key, shown.header_key, in_header=True)
            if self._is_access_key(shown.header_key):
                return _access_key_visit(self._token, in_header=True)
        if found.cookie_key:
            return _visit_of(found.cookie_key, shown.cookie)
        if self._token and _same(shown.cookie, self._token):
            return _access_key_visit(self._token)
        if name:
            return Visit(Viewer(name, self._settings.trusted_role), True, credential=name)
        if shown.header_key:
            return None
        if self._settings.public:
            return Visit(ANYBODY, self._locked)
        if self._locked:
            return None
        return Visit(Viewer(local_name(), "admin"))

    def _let_in(self, request: Request, given: str, found: Found) -> Response:
        """The answer to a link with a key: a cookie, and the same address without the key."""
        key = found.address_key
        if key is None and not self._is_access_key(given):
            return self._slow_down(request, None) or refuse(request, bool(given))
        # One slash only: an address that begins with two would lead to another host.
        path = "/" + quote(request.scope["path"].lstrip("/\\"), safe="/-._~")
        rest = request.scope["query_string"].decode("latin-1")
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        seconds = None if key is None else times.seconds_until(key.expires_at)
        self._cookies.set_key(answer, request, cookie_of(given), seconds)
        MutableHeaders(raw=answer.raw_headers)["Cache-Control"] = "no-store"
        return answer

    def _is_access_key(self, given: str) -> bool:
        return bool(self._token) and _same(cookie_of(given), self._token)

    def _begin(self, request: Request, visit: Visit, secret: str) -> None:
        state = request.state
        state.viewer = visit.viewer
        state.visit = visit
        state.key_in_header = visit.key_in_header
        signed = secret or self._cookies.own_secret
        identity = f"{visit.viewer!r} {visit.key_id} {visit.credential}"
        state.same_site = make_token(signed.encode(), identity)
        # What a page shows and offers depends on who asks: their copies of it must not be mixed up.
        told = f"{visit!r} {state.same_site}"
        state.viewer_tag = hashlib.sha256(told.encode()).hexdigest()[:8]
        use_token(state.same_site)
        begin_visit(visit)

    def _slow_down(self, request: Request, visit: Visit | None) -> Response | None:
        """429 for who asks too much; this machine's own user is never told so."""
        own_machine = visit is not None and not visit.locked and visit.viewer.is_admin
        if own_machine or not self._settings.requests_per_second:
            return None
        name = f"key {visit.key_id}" if visit is not None and visit.key_id else ""
        name = name or f"peer {peer_name(request.state.peer)}"
        wait = self._asking.take(name)
        if not wait and request.method not in _READS:
            wait = self._writing.take(name)
        if not wait:
            return None
        answer = error_response(
            request, 429, f"Too many requests at once: try again in {wait} s. Nothing was done."
        )
        answer.headers["Retry-After"] = str(wait)
        return answer


def local_name() -> str:
    """What this machine calls its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "local"


def _visit_of(key: Key, credential: str, in_header: bool = False) -> Visit:
    return Visit(key.viewer, True, key.key_id, credential, in_header)


def _access_key_visit(token: str, in_header: bool = False) -> Visit:
    role: Role = "write"
    return Visit(Viewer(KEY_NAME, role), True, credential=token, key_in_header=in_header)


def _opening_share(request: Request, found: Found) -> Share | None:
    """The first of the links shown that opens this very address."""
    if request.method not in _READS:
        return None
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    raw_path = request.scope.get("raw_path") or path.encode()
    for share in found.shares:
        try:
            if grant_of(share.address).opens(path, raw_path, query):
                return share
        except ValueError:  # an address of an earlier version of this program
            continue
    return None


def _reader_of(share: Share) -> Viewer:
    return Viewer(f"by a link of {share.made_by}", "read", share.dictionary)


def _sees(viewer: Viewer, path: str) -> bool:
    """Whether a path lies where a viewer may look at all; what isn't a dictionary's does."""
    parts = path.split("/")
    if viewer.dictionary is None or len(parts) < 3 or parts[1] == "-":
        return True
    return viewer.may_read(parts[1], parts[2].removesuffix(".json"))


def _same(given: str, expected: str) -> bool:
    """Takes the same time wherever the two differ."""
    return hmac.compare_digest(given.encode(), expected.encode())
