"""The address of an endpoint as it is typed, and the key that opens it.

An address is printed, logged and kept, so it may hold nothing secret; the key comes from the
environment alone. Knows no request.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from app.errors import AtlasError

KEY_VARIABLE = "FEATURE_ATLAS_ENDPOINT_KEY"
_PATH = "/chat/completions"
_QUERY = {"api-version"}
"""What some endpoints need behind the question mark; anything else could be a key"""


@dataclass(frozen=True)
class Address:
    """Where chat completions are asked for."""

    url: str
    """whole, ending in /chat/completions and what follows it"""
    host: str
    is_here: bool
    """on this machine"""
    is_encrypted: bool


@dataclass(frozen=True)
class Key:
    """What is sent to prove who asks; it can't be printed by accident."""

    value: str = field(repr=False)

    def without(self, text: str) -> str:
        """A text in which the key doesn't stand."""
        return text.replace(self.value, "…") if self.value else text


def read_address(text: str) -> Address:
    """The address of an OpenAI-compatible server, as `https://host/v1`.

    Raises:
        AtlasError: it is none, or holds a password or a key.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme not in ("http", "https"):
        raise AtlasError(
            "The endpoint's address can't be read: write it with its scheme, such as "
            "http://127.0.0.1:8000/v1 or https://api.example.org/v1."
        )
    if parts.username is not None or parts.password is not None:
        raise AtlasError(
            "The endpoint's address holds a name or a password, which would be seen and kept: put "
            f"the key into the environment variable {KEY_VARIABLE}."
        )
    if set(parse_qs(parts.query, keep_blank_values=True)) - _QUERY or parts.fragment:
        raise AtlasError(
            "The endpoint's address goes on behind its path, where a key would be seen and kept: "
            f"only api-version may stand there; the key belongs into {KEY_VARIABLE}."
        )
    path = parts.path.rstrip("/")
    path = path if path.endswith(_PATH) else f"{path}{_PATH}"
    place = f"[{host}]" if ":" in host else host
    place = place if port is None else f"{place}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    url = f"{parts.scheme}://{place}{path}{query}"
    return Address(url, host, _is_here(host), parts.scheme == "https")


def read_key(variable: str, environment: Mapping[str, str] | None = None) -> Key:
    """The key in a variable of the environment; empty where the usual one isn't set.

    Raises:
        AtlasError: another variable was named that isn't set, or it holds what no header can.
    """
    found = (os.environ if environment is None else environment).get(variable, "").strip()
    if not found and variable != KEY_VARIABLE:
        raise AtlasError(
            "There is no key in the environment variable that --key-env names: it takes the name "
            "of a variable, not the key itself."
        )
    if not (found.isascii() and found.isprintable()) or " " in found:
        raise AtlasError(
            "The key in the environment holds characters no key has: it may be quoted, or cut."
        )
    return Key(found)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
