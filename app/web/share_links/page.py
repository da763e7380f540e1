"""A page as those see it who have a share link and nothing else: what it doesn't open is no link.

Takes HTML of our own templates, in which every address is quoted and every text escaped, and the
link; gives the same page without ways that would only lead to a refusal. Knows no page by name.
"""

import re
from html import unescape

from app.access.shares import Share
from app.web.share_links.grant import Grant, grant_of

_TAG = re.compile(r"<(a|form)\b([^>]*)>")
_ADDRESS = re.compile(r'\s(?:href|action)="(/[^"]*)"')
_ASKED_BY_SCRIPT = re.compile(r'\sdata-search="[^"]*"')


def only_open(page: str, share: Share) -> str:
    """The page without links and forms that the share link doesn't open."""
    grant = grant_of(share.address)

    def tag(found: re.Match[str]) -> str:
        address = _ADDRESS.search(found[2])
        if address is None or _opens(grant, unescape(address[1])):
            return found[0]
        rest = _ADDRESS.sub("", found[2])
        return f"<{found[1]}{rest}{' hidden inert' if found[1] == 'form' else ''}>"

    return _ASKED_BY_SCRIPT.sub("", _TAG.sub(tag, page))


def _opens(grant: Grant, address: str) -> bool:
    path, _, query = address.partition("#")[0].partition("?")
    return grant.opens(path, path.encode(), query)
