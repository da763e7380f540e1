"""Markup of tokens in running text, made outside of the templates because a page holds thousands.

Takes pieces and classes, gives escaped markup: every text goes through `escape`, classes and
numbers are the project's own. No space stands between two tags, so that the text of the document is
the text of the tokens. Knows no feature.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup, escape

from app.web.token_text import Pieces


@dataclass(frozen=True, slots=True)
class LineToken:
    """One token in running text."""

    pieces: Pieces
    css: str
    activation: str
    """exact value; empty where it did not fire"""
    effect: str
    """difference of the peak's activation; empty where not measured"""


@lru_cache(maxsize=16_384)
def pieces_markup(pieces: Pieces) -> Markup:
    """The pieces of one token; each kind but plain text in an element of its class."""
    return Markup("").join(
        Markup('<b class="{}">{}</b>').format(kind, text) if kind else escape(text)
        for kind, text in pieces
    )


def line_markup(tokens: Iterable[LineToken]) -> Markup:
    """Tokens side by side, their values in data attributes."""
    return Markup("".join(map(_token, tokens)))


def _token(token: LineToken) -> str:
    css = f' class="{token.css}"' if token.css else ""
    activation = f' data-a="{token.activation}"' if token.activation else ""
    effect = f' data-e="{token.effect}"' if token.effect else ""
    return f"<i{css}{activation}{effect}>{pieces_markup(token.pieces)}</i>"
