"""Markdown as safe HTML: no raw HTML, no images, no address but http, https and mailto.

Two walls, either of which would do: the parser writes markup of its own only, and what it wrote is
cleaned against a list. Takes a text within the limits, gives HTML. Knows no template.
"""

from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p",
    "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}
_HIGHEST = 3
"""Headings of a note begin below those of the page it stands on."""


@lru_cache(256)
def markdown_html(text: str) -> str:
    """A text in CommonMark, with tables and ~~struck out~~ words, as HTML."""
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = parser.disable(["image", "html_block", "html_inline"]).parse(text)
    for token in tokens:
        _lower(token)
    return nh3.clean(
        parser.renderer.render(tokens, parser.options, {}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="nofollow noopener",
    )


def _lower(token: Token) -> None:
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{min(6, int(token.tag[1:]) + _HIGHEST - 1)}"
