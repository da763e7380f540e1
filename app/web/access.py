"""The access key: who holds the link may look, nobody else.

A link with `?key=…` sets a cookie and leads to the same address without the key, so that no copied
address holds it. The cookie carries a token derived from the key, never the key. Only the health
check and the project's own static files answer without it. Knows no page.
"""

import hashlib
import hmac
import re
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.respond import error_response

_OPEN = re.compile(r"/-/(health|static/.*)")
_COOKIE_SECONDS = 60 * 60 * 24 * 30


class AccessKeyMiddleware:
    """Refuses every request that shows neither the key nor the cookie made from it."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key
        self._token = _derive(key, "cookie value")
        # Servers on one machine share cookies whatever their port: keys of their own, names too.
        self.cookie = f"feature-atlas-{_derive(key, 'cookie name')[:8]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _OPEN.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        answer = self._judge(Request(scope))
        await (answer or self._app)(scope, receive, send)

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
