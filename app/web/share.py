"""What is pasted elsewhere: a line of plain text, and the same with Markdown's signs defused.

Takes the pieces of a summary or finished text. Knows no page and no address.
"""

import re
from collections.abc import Iterable, Sequence
from html import unescape

from app.web.chips import chip

_SIGNS = re.compile(r"([\\`*_\[\]<>|~$&])")


def one_line(pieces: Iterable[Sequence[str]]) -> str:
    """The pieces of a summary or short form as text; tokens in ‘ ’, nothing in them invisible."""
    return "".join(f"‘{chip(text)}’" if kind == "token" else text for kind, text in pieces)


def markdown(text: str) -> str:
    """Text that Markdown shows as it is: on one line, its signs escaped.

    Takes text or finished markup (the content of a block), whose entities are resolved first.
    """
    plain = unescape(text) if hasattr(text, "__html__") else text
    return _SIGNS.sub(r"\\\1", " ".join(str(plain).split()))
