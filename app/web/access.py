"""Who asks, and whether they may: the access key lets in who holds the link, and nobody else.

Every request gets its `Viewer` here. Without a key that is this machine's own user, who may all, or
where the server is public anybody, who may look.

A link with `?key=…` sets a cookie and leads to the same address without the key, so that no copied
address holds it. The cookie carries a token derived from the key, never the key. Only the health
check and the project's own static files answer without it. Knows no page.
"""

import getpass
import hashlib
import hmac
import re
import secrets
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.viewer import Role, Viewer
from app.settings import Settings
from app.web.respond import error_response
from app.web.same_site import make_token, use_token

_OPEN = re.compile(r"/-/(health|static/.*)")
_COOKIE_SECONDS = 60 * 60 * 24 * 30


class AccessMiddleware:
    """Names the viewer of every request; refuses those who show no key where one is needed."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._key = settings.key
        self._open_role: Role = "admin" if settings.loopback and not settings.public else "read"
        self._secret = secrets.token_bytes(32)
        self._token = _derive(self._key, "cookie value") if self._key else ""
        # Servers on one machine share cookies whatever their port: keys of their own, names too.
        self.cookie = f"feature-atlas-{_derive(self._key or '', 'cookie name')[:8]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _OPEN.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        answer = self._judge(Request(scope)) if self._key is not None else None
        if answer is None:
            self._name_viewer(scope)
        await (answer or self._app)(scope, receive, send)

    def _name_viewer(self, scope: Scope) -> None:
        state = scope.setdefault("state", {})
        if scope["app"].state.static_copy:
            state["viewer"] = Viewer("a copy", "read")
        elif self._key is None:
            state["viewer"] = Viewer(local_name(), self._open_role)
        else:
            state["viewer"] = Viewer("the access key", "write")
        state["same_site"] = make_token(self._secret, f"{state['viewer']!r} {self._token}")
        use_token(state["same_site"])

    def _judge(self, request: Request) -> Response | None:
        """None lets the request through."""
        given, rest = _split_key(request.scope["query_string"].decode("latin-1"))
        if given is None:
            cookie = request.cookies.get(self.cookie, "")
            return None if _same(cookie, self._token) else _refuse(request)
        # The server's own log prints the query string: the key must not stand in it.
        request.scope["query_string"] = rest.encode("latin-1")
        if not _same(_derive(given, "cookie value"), self._token):
            return _refuse(request)
        # One slash only: an address that begins with two would lead to another host.
        path = "/" + quote(request.scope["path"].lstrip("/\\"), safe="/-._~")
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        answer.set_cookie(
            self.cookie,
            self._token,
            max_age=_COOKIE_SECONDS,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        MutableHeaders(raw=answer.raw_headers)["Cache-Control"] = "no-store"
        return answer


def _refuse(request: Request) -> Response:
    return error_response(
        request,
        401,
        "This atlas opens with an access key: use the link you were given, which ends in ?key=….",
    )


def _split_key(query: str) -> tuple[str | None, str]:
    """The value of `key`, and the query string without it."""
    pairs = parse_qsl(query, keep_blank_values=True)
    keys = [value for name, value in pairs if name == "key"]
    if not keys:
        return None, query
    return keys[0], urlencode([(name, value) for name, value in pairs if name != "key"])


def _derive(key: str, purpose: str) -> str:
    message = f"feature-atlas {purpose}".encode()
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def _same(given: str, expected: str) -> bool:
    """Takes the same time wherever the two differ."""
    return hmac.compare_digest(given.encode(), expected.encode())


def local_name() -> str:
    """What this machine calls its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "local"
