"""Markup of tokens in running text, made outside of the templates because a page holds thousands.

Takes vocabulary entries and classes, gives escaped markup: every text goes through `escape`,
classes are the project's own. No space stands between two tags, so that the text of the document is
the text of the tokens. Knows no feature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup, escape

from app.db.records import TokenRecord
from app.web.token_text import Pieces, joined_pieces, text_pieces


@dataclass(frozen=True, slots=True)
class ShownToken:
    """One token ready to print."""

    css: str
    """its own class: lead or indent where spaces stand for themselves; usually empty"""
    inner: str
    """escaped markup of its pieces"""
    plain: str
    """the whole element, for a token of which there is nothing to say"""


def pieces_markup(pieces: Pieces) -> Markup:
    """The pieces of one token; each kind but plain text in an element of its class."""
    return Markup("").join(
        Markup('<b class="{}">{}</b>').format(kind, text) if kind else escape(text)
        for kind, text in pieces
    )


def show_tokens(tokens: Sequence[TokenRecord]) -> list[ShownToken]:
    """The tokens of a line; characters spread over several of them are joined."""
    shown = [_show_text(token.token) for token in tokens]
    for i, pieces in joined_pieces(tokens).items():
        shown[i] = _show(pieces)
    return shown


def line_markup(shown: Sequence[ShownToken], classes: Mapping[int, str]) -> Markup:
    """Tokens side by side; `classes` has those of tokens that have any, by place in the line."""
    return Markup(
        "".join(
            token.plain
            if i not in classes
            else f'<i class="{f"{token.css} {classes[i]}".strip()}">{token.inner}</i>'
            for i, token in enumerate(shown)
        )
    )


@lru_cache(maxsize=65_536)
def _show_text(text: str) -> ShownToken:
    return _show(text_pieces(text))


def _show(pieces: Pieces) -> ShownToken:
    css, rest = _dress(pieces)
    inner = str(pieces_markup(rest))
    return ShownToken(css, inner, f'<i class="{css}">{inner}</i>' if css else f"<i>{inner}</i>")


def _dress(pieces: Pieces) -> tuple[str, Pieces]:
    """A token's own class and its pieces without it.

    A leading space, or a run of spaces that is the whole token, is marked on the token itself,
    which saves an element for half of all tokens.
    """
    if not pieces or pieces[0][0] != "sp":
        return "", pieces
    (_, spaces), *rest = pieces
    if not rest:
        return ("indent" if len(spaces) > 1 else "lead"), (("", spaces),)
    if len(spaces) > 1:
        return "", pieces
    (kind, first), *others = rest
    if kind == "":
        return "lead", (("", spaces + first), *others)
    return "lead", (("", spaces), *rest)
