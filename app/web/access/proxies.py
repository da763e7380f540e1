"""Proxies in front: whose word is taken for who asks, from where, and over what.

Only the address a connection really comes from tells whether it is a proxy of ours; then the name
it signed somebody in under, the last address in `X-Forwarded-For` that isn't one of ours, and
`X-Forwarded-Proto` are believed. From anybody else these headers are taken away. Knows no page.
"""

import ipaddress
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.keys import clean_name
from app.errors import AtlasError
from app.web.access.shown import take_header

Networks = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]


class ProxyMiddleware:
    """Leaves names and the real peer in the request's state, the real scheme in the scope."""

    def __init__(self, app: ASGIApp, header: str, proxies: Sequence[str]) -> None:
        self._app = app
        self._header = header
        self._proxies = networks(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._read(scope)
        await self._app(scope, receive, send)

    def _read(self, scope: Scope) -> None:
        scope["headers"] = list(scope["headers"])
        state = scope.setdefault("state", {})
        peer = (scope.get("client") or ("", 0))[0]
        believed = is_within(peer, self._proxies)
        names = take_header(scope, self._header) if self._header else []
        forwarded = take_header(scope, "x-forwarded-for")
        protocols = take_header(scope, "x-forwarded-proto")
        state["trusted_name"] = names if believed else []
        if believed:
            state["peer"] = self._first_stranger(forwarded, peer)
        else:
            state["peer"] = peer
        # On this machine's own address no proxy has to be named for this: all it does is to
        # make cookies stricter.
        if (believed or is_within(peer, LOOPBACK)) and protocols[-1:] == ["https"]:
            scope["scheme"] = "https"

    def _first_stranger(self, forwarded: list[str], peer: str) -> str:
        """Where it came from before it reached the first proxy of ours, or from that one."""
        for hop in reversed([part.strip() for line in forwarded for part in line.split(",")]):
            if not is_within(hop, self._proxies):
                return hop if _is_address(hop) else peer
        return peer


def networks(texts: Sequence[str]) -> Networks:
    """Addresses and ranges of them (10.0.0.0/8).

    Raises:
        AtlasError: one is neither.
    """
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError as error:
            raise AtlasError(
                f"The trusted proxy {text!r} is no address: write 127.0.0.1, ::1 or a range such "
                "as 10.0.0.0/8."
            ) from error
    return found


LOOPBACK: Networks = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def _is_address(text: str) -> bool:
    """Whether it can stand in the log and name a bucket."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_within(address: str, ranges: Networks) -> bool:
    """Whether an address lies in one of the ranges; what is no address never does."""
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(number, "ipv4_mapped", None)
    return any((mapped or number) in one for one in ranges)


def trusted_name(values: Sequence[str]) -> str:
    """The one name a proxy gave; "" where it gave none.

    Raises:
        AtlasError: it gave several, or one that nobody can be called.
    """
    given = [value for value in values if value.strip()]
    if len(given) > 1:
        raise AtlasError(
            "The proxy's header names two people at once: it must replace what a visitor sends, "
            "not add to it."
        )
    return clean_name(given[0]) if given else ""
