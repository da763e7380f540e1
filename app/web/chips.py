"""The text of a token in a chip, a sentence or a label: short, and nothing in it invisible.

Knows no page; `app/db/display.py` decides what is shown for what can't be seen.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from markupsafe import Markup, escape

from app.db.display import display, shorten

CHIP_CHARACTERS = 32
"""Tokens in tables and sentences are shown up to here; the rest is counted."""


@lru_cache(maxsize=16_384)
def chip(token: str) -> str:
    """The text of a token as a chip shows it."""
    return display(shorten(token, CHIP_CHARACTERS))


@lru_cache(maxsize=16_384)
def token_chip(token: str, href: str = "") -> Markup:
    """The chip itself; a link where it leads somewhere."""
    if href:
        return Markup(f'<a class=token-name href="{escape(href)}">{escape(chip(token))}</a>')
    return Markup(f"<code class=token-name>{escape(chip(token))}</code>")


def pieces_text(pieces: Iterable[Sequence[str]]) -> Markup:
    """A text of (kind, text): kind is text, number or token."""
    return Markup("".join([_PIECE.get(kind, escape)(text) for kind, text in pieces]))


_PIECE = {"token": token_chip, "number": lambda text: f"<b>{escape(text)}</b>"}
