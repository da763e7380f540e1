"""A page's markup made lean: without links to a server, scripts, or values only scripts read.

Takes HTML of our own templates, in which texts are escaped and addresses quoted. Knows no page.
"""

import re
from html import escape, unescape

_LINK = re.compile(r'(<a\b[^>]*?)\shref="(/[^"]*)"')
_SWITCH = re.compile(r"<nav\b[^>]*\bclass=\"[^\"]*\bsegmented\b[^>]*>.*?</nav>\n?", re.DOTALL)
_VALUE = r"""(?:=(?:"[^"]*"|[^\s"'=<>`]+))?"""
_TAG = re.compile(rf"<([a-z][a-z0-9]*)((?:\s+[a-zA-Z:-]+{_VALUE})+)")
_ATTRIBUTE = re.compile(rf"\s+[a-zA-Z:-]+{_VALUE}")
_NEEDS_SERVER = re.compile(r"<(script|form)\b.*?</\1>\n?", re.DOTALL)
_PLAIN = re.compile(r"(?:<i>(?:[^<]|<b\b[^>]*>[^<]*</b>)*</i>){2,}")
_LINE = re.compile(r'<div class="line [a-z]+".*?</div>', re.DOTALL)


def unlinked(page: str, public_url: str) -> str:
    """Links to pages of the server lead to its public address, or, where it has none, nowhere."""

    def link(found: re.Match[str]) -> str:
        if not public_url:
            return found[1]
        return f'{found[1]} href="{escape(public_url + unescape(found[2]))}"'

    return _LINK.sub(link, page)


def lean(page: str) -> str:
    """The same without scripts, forms, switches and data; tokens without a class are joined."""
    page = _SWITCH.sub("", _NEEDS_SERVER.sub("", page))
    page = _LINE.sub(_join, _TAG.sub(_without_data, page))
    return re.sub(r"\n{2,}", "\n", page)


def _without_data(tag: re.Match[str]) -> str:
    kept = [
        found[0]
        for found in _ATTRIBUTE.finditer(tag[2])
        if not found[0].lstrip().startswith("data-")
    ]
    return f"<{tag[1]}{''.join(kept)}"


def _join(line: re.Match[str]) -> str:
    """Neighbouring tokens without a class become one: nothing is said of either."""
    plain = _PLAIN.sub(lambda run: run[0].replace("</i><i>", ""), line[0])
    return plain.replace(' tabindex="0"', "")
