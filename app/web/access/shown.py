"""What a request shows to be let in: a key in a header, in the address, in a cookie; links; a name.

Takes the ASGI scope; what must not go further (the key in the address, a proxy's header) is taken
out of it, so that no page, no log and no handler finds it there. Knows no database.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from fastapi import Request
from starlette.types import Scope

MOST_LINKS = 8
"""share links one browser keeps open at a time; the oldest makes room"""


@dataclass(frozen=True)
class Shown:
    """Everything that could let a request in; "" where it isn't there."""

    header_key: str = ""
    address_key: str | None = None
    """None where the address names none"""
    cookie: str = ""
    links: tuple[str, ...] = ()
    """texts of share links, the newest first"""


def take_shown(request: Request, cookie_name: str, links_cookie: str) -> Shown:
    """What a request shows; afterwards its query string holds no key."""
    kind, _, header_key = request.headers.get("authorization", "").partition(" ")
    address_key, rest = _split_key(request.scope["query_string"].decode("latin-1"))
    if address_key is not None:
        # The server's own log prints the query string: the key must not stand in it.
        request.scope["query_string"] = rest.encode("latin-1")
    return Shown(
        header_key.strip() if kind.lower() == "bearer" else "",
        address_key,
        request.cookies.get(cookie_name, ""),
        read_links(request.cookies.get(links_cookie, "")),
    )


def read_links(cookie: str) -> tuple[str, ...]:
    """The links of a cookie, the newest first."""
    return tuple(text for text in cookie.split("~")[:MOST_LINKS] if text)


def write_links(links: tuple[str, ...]) -> str:
    """A cookie of links; the newest is to come first."""
    return "~".join(dict.fromkeys(links[:MOST_LINKS]))


def take_header(scope: Scope, name: str) -> list[str]:
    """Every value of a header, which the scope doesn't have afterwards."""
    wanted = name.lower().encode("latin-1")
    found = [value.decode("utf-8", "replace") for key, value in scope["headers"] if key == wanted]
    if found:
        scope["headers"] = [(key, value) for key, value in scope["headers"] if key != wanted]
    return found


def _split_key(query: str) -> tuple[str | None, str]:
    """The value of `key`, and the query string without it."""
    pairs = parse_qsl(query, keep_blank_values=True)
    keys = [value for name, value in pairs if name == "key"]
    if not keys:
        return None, query
    return keys[0], urlencode([(name, value) for name, value in pairs if name != "key"])
