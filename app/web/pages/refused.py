"""The page of whom nothing lets in: why, and what they can do.

Takes what the request showed; gives the page, or the error envelope where JSON is asked for. Says
nothing of the atlas: neither what is in it nor whether the address is one. Knows no key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from app.access.shares import Share
from app.web.respond import Site, error_response, prefers_json, render

_KEY_OPENS_NOTHING = (
    "This key opens nothing: it is cut off, has expired or was revoked. Paste it once more, whole, "
    "or ask whoever runs the atlas for another."
)
_WRITING = "Writing here needs an access key: use the link you were given."
_ENDED = (
    "The share link that opened something here has ended or was revoked: ask whoever sent it for a "
    "new one."
)
_ONLY_SHARED = "What was shared with you is the one page below. This address is not part of it."
_ASKS = (
    "This atlas opens with an access key: use the link you were given, which ends in ?key=…, or "
    "paste the key. A share link opens the one page it was made for, and nothing else."
)


@dataclass(frozen=True)
class RefusedPage:
    """Context of `pages/refused.html`."""

    title: str
    sentence: str
    shared: Sequence[Share]
    """links the browser has that are still open: where one can go"""
    kept: Sequence[tuple[str, str]]
    """arguments of the address, which a key is sent along with"""
    asks_key: bool
    """sent to this same address; nothing that was to be written is sent again"""

    def as_json(self) -> dict[str, Any]:
        """Refusals have the error envelope instead."""
        return {}


def refuse(
    request: Request, with_key: bool, shared: Sequence[Share] = (), had_link: bool = False
) -> Response:
    """401.

    Args:
        with_key: a key was shown, and opens nothing.
        shared: links the browser has that open something else.
        had_link: it has links, of which none opens anything any more.
    """
    reads = request.method in ("GET", "HEAD")
    title, sentence = "This atlas asks for a key", _ASKS
    if with_key:
        title, sentence = "No entry with this key", _KEY_OPENS_NOTHING
    elif not reads:
        title, sentence = "Only to be read", _WRITING
    elif shared:
        title, sentence = "Not part of what was shared with you", _ONLY_SHARED
    elif had_link:
        title, sentence = "The link has ended", _ENDED
    if prefers_json(request):
        answer = error_response(request, 401, sentence)
    else:
        kept = [pair for pair in request.query_params.multi_items() if pair[0] != "key"]
        page = RefusedPage(title, sentence, shared if reads else (), kept, reads)
        site = Site("", "", request.app.version)
        headers = {"Cache-Control": "no-store"}
        answer = render(request, "refused", page, site, 401, headers)
    answer.headers["WWW-Authenticate"] = 'Bearer realm="Feature Atlas"'
    return answer
