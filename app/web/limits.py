"""Bounds on what is asked: bytes of address, headers and body, how long it takes, how often.

`Buckets` gives every key, or where there is none every address, a number of requests at once and so
many a second after that; what it remembers is bounded, too. `SizeMiddleware` stops a request
before more than its bound is read. Knows no page.
"""

import asyncio
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.respond import error_response

MOST_BODY_BYTES = 4 * 2**20
"""A form of 1 MB of Markdown is up to 3 MB long, as every byte may be written as %C3."""
MOST_BODY_SECONDS = 60.0
MOST_ADDRESS_BYTES = 32 * 2**10
MOST_HEADER_BYTES = 64 * 2**10
MOST_BUCKETS = 10_000
"""Remembered at once, about 2 MB; who was silent longest is forgotten, and begins anew"""


class Buckets:
    """Tokens by name: each request takes one, and they come back at a steady rate."""

    def __init__(
        self,
        per_second: float,
        burst: float,
        most: int = MOST_BUCKETS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._most = most
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, name: str) -> int:
        """0 if the request may go on, else in how many whole seconds it may be sent again."""
        now = self._clock()
        left, since = self._left.pop(name, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_second)
        wait = 0 if left >= 1 else max(1, math.ceil((1 - left) / self._per_second))
        self._left[name] = (left - 1 if wait == 0 else left, now)
        while len(self._left) > self._most:
            self._left.popitem(last=False)
        return wait


def peer_name(address: str) -> str:
    """The name of an address' bucket: itself, or the /64 that an IPv6 host can choose from."""
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return address
    if number.version == 6:
        return str(ipaddress.ip_network((int(number) >> 64 << 64, 64)))
    return address


class SizeMiddleware:
    """Answers 414, 431 and 413 to addresses, headers and bodies too long, 408 to slow bodies."""

    def __init__(self, app: ASGIApp, body_seconds: float = MOST_BODY_SECONDS) -> None:
        self._app = app
        self._body_seconds = body_seconds
        self._slow = (
            f"What was sent took longer than {body_seconds:g} seconds to arrive: nothing was saved."
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if problem := _too_long(scope):
            await error_response(Request(scope), *problem)(scope, receive, send)
            return
        read, whole, since = 0, False, time.monotonic()

        async def receive_bounded() -> Message:
            nonlocal read, whole
            if whole:  # what comes now is that somebody went away, at any time
                return await receive()
            try:
                left = self._body_seconds - (time.monotonic() - since)
                message = await asyncio.wait_for(receive(), left)
            except TimeoutError as error:
                raise HTTPException(408, self._slow) from error
            read += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if read > MOST_BODY_BYTES:
                raise HTTPException(413, _BODY)
            return message

        await self._app(scope, receive_bounded, send)


_BODY = (
    f"What was sent is longer than {MOST_BODY_BYTES // 2**20} MB, the most this server reads at "
    "once: nothing was saved. Send less."
)


def _too_long(scope: Scope) -> tuple[int, str] | None:
    path, query = scope.get("raw_path") or scope["path"].encode(), scope["query_string"]
    if len(path) + len(query) > MOST_ADDRESS_BYTES:
        return 414, (
            f"The address is {len(path) + len(query):,} bytes long: "
            f"{MOST_ADDRESS_BYTES:,} are the most this server reads."
        )
    n_bytes = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    if n_bytes > MOST_HEADER_BYTES:
        return 431, (
            f"The headers are {n_bytes:,} bytes long: {MOST_HEADER_BYTES:,} are the most this "
            "server reads. Cookies of this host may have to be deleted."
        )
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value) > MOST_BODY_BYTES):
            return 413, _BODY
    return None
