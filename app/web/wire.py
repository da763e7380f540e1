"""HTTP/1.1 as this server speaks it: bounds on what comes before any application sees a request.

Whoever begins a request has a while to end its headers, so that half requests hold no lines for
good; and what is no request at all is answered with the headers every answer carries. Takes the
place of uvicorn's own protocol; knows no page.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.web.headers import SECURITY_HEADERS


class BoundedProtocol(H11Protocol):
    """One connection."""

    head_seconds = 30.0
    """from the first byte of a request, or from the connection, to the last of its headers"""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Somebody connected: a request is to come."""
        super().connection_made(transport)
        self._begin_head()

    def data_received(self, data: bytes) -> None:
        """Bytes: of headers that go on, or of a request whose headers are whole."""
        super().data_received(data)
        in_headers = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if not in_headers:
            self._end_head()
        elif self._head_deadline is None:
            self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other end is gone."""
        self._end_head()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What was sent is no HTTP: a line of text, and nobody is listened to any more."""
        own = {name.lower().encode(): value.encode() for name, value in SECURITY_HEADERS.items()}
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        event = h11.Response(status_code=400, headers=[*headers, *own.items()])
        for part in (event, h11.Data(data=msg.encode("ascii")), h11.EndOfMessage()):
            self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def _begin_head(self) -> None:
        self._head_deadline = self.loop.call_later(self.head_seconds, self._hang_up)

    def _end_head(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _hang_up(self) -> None:
        self._head_deadline = None
        if not self.transport.is_closing():
            self.transport.close()
