"""The two cookies: one that stands for a key, one that holds share links.

Neither holds a key; scripts can't read them, and no other site's form sends them along. Their names
are this server's own, as servers on one machine share cookies whatever their port. Knows no page.
"""

import hashlib
import secrets

from fastapi import Request
from starlette.responses import Response

from app.web.access.shown import read_links, write_links

_LONGEST_SECONDS = 60 * 60 * 24 * 30


class Cookies:
    """Sets the cookies of one server."""

    def __init__(self, told_apart_by: str) -> None:
        """
        Args:
            told_apart_by: differs between servers and stays the same for one; secret or not.
        """
        digest = hashlib.sha256(f"feature-atlas cookie {told_apart_by}".encode()).hexdigest()[:8]
        self.key_name = f"feature-atlas-{digest}"
        self.links_name = f"feature-atlas-links-{digest}"
        self.own_secret = secrets.token_hex(32)
        """of this process, where no notebook has one"""

    def set_key(
        self, answer: Response, request: Request, value: str, seconds_left: int | None
    ) -> None:
        """Keeps somebody signed in, at most until their key ends.

        Args:
            seconds_left: of the key; None for one without an end.
        """
        longest = _LONGEST_SECONDS if seconds_left is None else seconds_left
        self._set(answer, request, self.key_name, value, min(longest, _LONGEST_SECONDS))

    def add_link(self, answer: Response, request: Request, text: str, seconds_left: int) -> None:
        """Adds a share link to those this browser has open."""
        before = read_links(request.cookies.get(self.links_name, ""))
        value = write_links((text, *(other for other in before if other != text)))
        # Links that end earlier are still refused: the cookie only lasts as long as the newest.
        self._set(answer, request, self.links_name, value, max(seconds_left, _LONGEST_SECONDS))

    def _set(self, answer: Response, request: Request, name: str, value: str, seconds: int) -> None:
        answer.set_cookie(
            name,
            value,
            max_age=seconds,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
