"""The log says who wrote what: a line for every request that writes, and never a key.

A request writes where its route checks the same-site token. The line has name, role, the key's id,
method, path without its query, status and where it came from. Knows no page.
"""

import logging
from urllib.parse import quote

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import echoed

LOGGER = logging.getLogger("feature_atlas.writes")


def log_write(app: ASGIApp, request: Request) -> ASGIApp:
    """The application, with a line in the log behind every write."""

    async def logging_app(scope: Scope, receive: Receive, send: Send) -> None:
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, watch)
        finally:
            if getattr(request.state, "writes", False):
                LOGGER.info("%s", _line(request, status))

    return logging_app


def _line(request: Request, status: int) -> str:
    visit = request.state.visit
    key = f", key {visit.key_id}" if visit.key_id else ""
    path = echoed(quote(request.scope["path"]))
    who = f"{visit.viewer.name} ({visit.viewer.role}{key})"
    return f"{who} from {request.state.peer}: {request.method} {path} {status}"
