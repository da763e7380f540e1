"""The token every writing form carries: proof that the form stood on a page of this server.

A page elsewhere can make a browser send a form here, with the visitor's cookie or, on this machine,
without any; it can't read our pages, so it doesn't know the token. It is an HMAC of who asks under
a secret of the server: different for every cookie, nothing is stored, and a cached page stays good.
Programs that show their key in the `Authorization` header need none: no page elsewhere can make a
browser send that. Knows no page.
"""

import hashlib
import hmac
from contextvars import ContextVar
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from markupsafe import Markup

FIELD = "same_site"
HEADER = "X-Same-Site"
_STALE = (
    "This form was not sent from a page of this atlas, or from one opened before you signed in: "
    "go back, load the page again and send it once more."
)

_token: ContextVar[str] = ContextVar("same_site_token", default="")


def make_token(secret: bytes, identity: str) -> str:
    """The token of one identity: whatever tells this visitor's cookie or name from all others."""
    return hmac.new(secret, b"same-site\0" + identity.encode(), hashlib.sha256).hexdigest()[:32]


def use_token(token: str) -> None:
    """Makes a token that of the request at hand, for the pages it is answered with."""
    _token.set(token)


def same_site_token() -> str:
    """The token of the request at hand, for a script to send as `X-Same-Site`; "" outside one."""
    return _token.get()


def same_site_field() -> Markup:
    """The hidden field of a form that writes."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, _token.get())


async def check_same_site(request: Request) -> None:
    """A dependency of every route that writes.

    Raises:
        HTTPException: 403 where the request comes from another site's page, or carries neither the
            token nor a key of its own.
    """
    request.state.writes = True  # whatever comes of it, the log says so
    if getattr(request.state, "key_in_header", False):
        return
    expected = getattr(request.state, "same_site", "")
    given = request.headers.get(HEADER, "")
    if not given:
        form = await request.form()
        given = str(form.get(FIELD, ""))
    known = bool(expected) and hmac.compare_digest(given.encode(), expected.encode())
    if not known or _foreign(request):
        raise HTTPException(403, _STALE)


def _foreign(request: Request) -> bool:
    """What browsers say by themselves about where a request comes from, where they do say it.

    Our own forms have the origin "null", as our pages send no referrer.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    own = {request.headers.get("host", ""), urlsplit(request.app.state.public_url).netloc} - {""}
    origins = set(request.headers.getlist("origin")) - {"null"}
    return any(urlsplit(origin).netloc not in own for origin in origins)
