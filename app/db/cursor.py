"""Opaque tokens for the next page of a list.

A token holds the place after which to go on and binds the list it belongs to (its sort and its
filters), so that a token of one list can't be read as a place in another. Knows no table.
"""

import base64
import binascii
import hashlib
import json
from typing import Any


class BadCursor(ValueError):
    """The token is damaged or belongs to another list."""


def encode_cursor(place: list[Any], bound_to: list[Any]) -> str:
    """A token for `place` in the list described by `bound_to` (both JSON values)."""
    text = json.dumps([_fingerprint(bound_to), *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(token: str, bound_to: list[Any]) -> list[Any]:
    """The place a token stands for.

    Raises:
        BadCursor: not a token, or one of a list with another sort or other filters.
    """
    try:
        padded = token + "=" * (-len(token) % 4)
        text = base64.b64decode(padded.encode(), altchars=b"-_", validate=True)
        fingerprint, *place = json.loads(text, parse_constant=_refuse)
    except (ValueError, TypeError, binascii.Error) as error:
        raise BadCursor("this `next` token is damaged") from error
    if fingerprint != _fingerprint(bound_to):
        raise BadCursor("this `next` token belongs to a list with another sort or other filters")
    return place


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no place")


def _fingerprint(bound_to: list[Any]) -> str:
    return hashlib.sha256(json.dumps(bound_to, sort_keys=True).encode()).hexdigest()[:12]
