"""Whether a request names this server: a guard against pages that point their own name at it.

A hostile page can let its host name resolve to 127.0.0.1 and read what a server there says
(DNS rebinding); the Host header then carries that foreign name. Takes the settings, knows no page.
"""

import ipaddress
import socket

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import echoed
from app.settings import Settings
from app.web.respond import error_response

_OWN = frozenset({"localhost", "127.0.0.1", "::1"})


class HostMiddleware:
    """Answers 400 to requests under a name that isn't the server's."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._names = _OWN | {settings.host.lower()} | {h.lower() for h in settings.allowed_hosts}
        # An address in numbers can't be rebound; it is only taken where others may reach us.
        self._numbers = not settings.loopback
        if self._numbers:
            self._names |= {socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            name = host_name(request.headers.get("host", ""))
            if not self._known(name):
                answer = error_response(
                    request,
                    400,
                    f"This server doesn't answer as {echoed(name or 'a nameless host')!r}: start "
                    "it with --allowed-host and that name if it is meant to.",
                )
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _known(self, name: str) -> bool:
        if name in self._names or "*" in self._names:
            return True
        return self._numbers and _is_number(name)


def host_name(header: str) -> str:
    """The name in a Host header, lower case, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].rstrip(".").lower()


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
