"""Markup of tokens in running text, made outside of the templates because a page holds thousands.

Takes vocabulary entries and classes, gives escaped markup: every text goes through `escape`,
classes are the project's own. No space stands between two tags, so that the text of the document is
the text of the tokens. A token is an `<i>`, or a `<u>` where it begins with a space: the shortest
way to say so about half of all tokens. Attributes need no quotes where they are one name. Knows no
feature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import quote

from markupsafe import Markup, escape

from app.db.records import TokenRecord
from app.web.markup import attribute
from app.web.token_text import Pieces, joined_pieces, text_pieces

SEARCHED_CHARACTERS = 100
"""A token that is not shown as its exact text carries that text up to this length, to be searched
for; a longer one is left to its own page."""


@dataclass(frozen=True, slots=True)
class ShownToken:
    """One token ready to print."""

    css: str
    """its own class: lead or indent where spaces stand for themselves; usually empty"""
    inner: str
    """escaped markup of its pieces"""
    plain: str
    """the whole element, for a token of which there is nothing to say"""
    whole: str
    """escaped markup of all its pieces, for a chip or a cell that has no class of its own"""
    exact: str = ""
    """attribute with the exact text, percent-encoded, where what is shown is another"""


def pieces_markup(pieces: Pieces) -> Markup:
    """The pieces of one token; each kind but plain text in an element of its class."""
    return Markup(
        "".join(
            [f"<b class={kind}>{escape(text)}</b>" if kind else escape(text)
             for kind, text in pieces]
        )
    )  # fmt: skip


def piece_chip(pieces: Pieces) -> Markup:
    """A name for a token: its pieces in a chip, as in running text."""
    return Markup(f"<code class=token-name>{pieces_markup(pieces)}</code>")


def show_tokens(tokens: Sequence[TokenRecord]) -> list[ShownToken]:
    """The tokens of a line; characters spread over several of them are joined."""
    shown = [_show_text(token.token) for token in tokens]
    for i, pieces in joined_pieces(tokens).items():
        shown[i] = _show(pieces, tokens[i].token)
    return shown


def line_markup(
    shown: Sequence[ShownToken],
    classes: Mapping[int, str],
    runs: Sequence[tuple[int, int, str]] = (),
) -> Markup:
    """Tokens side by side.

    Args:
        classes: those of tokens that have any, by place in the line.
        runs: (first, past the last, class) of neighbours that share one element around them;
            disjoint and ascending.
    """
    found = [token.plain for token in shown]
    for i, css in classes.items():
        found[i] = _element(shown[i], css)
    for first, stop, css in runs:
        found[first] = f"<span class={css}>{found[first]}"
        found[stop - 1] += "</span>"
    return Markup("".join(found))


def _element(token: ShownToken, css: str) -> str:
    tag, own = ("u", "") if token.css == "lead" else ("i", token.css)
    names = f"{own} {css}" if own and css else own or css
    return f"<{tag}{attribute('class', names)}{token.exact}>{token.inner}</{tag}>"


@lru_cache(maxsize=65_536)
def _show_text(text: str) -> ShownToken:
    return _show(text_pieces(text), text)


def _show(pieces: Pieces, text: str) -> ShownToken:
    css, rest = _dress(pieces)
    exact = ""
    if "".join(piece for _, piece in pieces) != text and len(text) <= SEARCHED_CHARACTERS:
        exact = f' data-text="{quote(text, safe=" /", errors="replace")}"'
    token = ShownToken(css, str(pieces_markup(rest)), "", str(pieces_markup(pieces)), exact)
    return replace(token, plain=_element(token, ""))


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
