"""Asks the application in this process, as a browser would over a socket.

Takes addresses, gives answers. Knows no page.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from app.errors import AtlasError


@dataclass(frozen=True)
class Answer:
    """What was answered to one address."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Server:
    """The application, asked one address at a time; close it, best in a `with`."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._runner = asyncio.Runner()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_error: object) -> None:
        self._runner.close()
        self.app.state.atlas_file.close()

    def get(self, address: str) -> Answer:
        """The answer to a path with its query.

        Raises:
            AtlasError: anything but success, in the server's own words.
        """
        answer = self._runner.run(self._ask(address))
        if answer.status != 200:
            raise AtlasError(f"The page {address} can't be exported: it answers {answer.status}.")
        return answer

    async def _ask(self, address: str) -> Answer:
        path, _, query = address.partition("?")
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1"), (b"accept", b"text/html")],
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 80),
        }
        status, parts = 500, []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))

        await self.app(scope, receive, send)
        return Answer(status, b"".join(parts))
