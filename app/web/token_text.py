"""A token's text cut into the pieces a page prints: real characters, each run with its kind.

Spaces and newlines stay the characters they are (style sheets paint a dot or ↵ over them), so that
text copied from a page is the exact text; whatever draws nothing or changes its surroundings is
named by `app.db.display`. Knows no markup.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from app.db.display import CONTINUATION, display, join_bytes, shorten
from app.db.records import TokenRecord

Kind = Literal["", "nl", "sp", "tab", "ctl"]
"""text, newline, run of spaces, tab, or characters shown by name"""

Pieces = tuple[tuple[Kind, str], ...]

IN_TEXT_CHARACTERS = 80
"""Inside running text a token is shown up to here; the rest is counted."""

_RUNS = re.compile(r"\n|\t| +|[^ \n\t]+")
_KINDS: dict[str, Kind] = {"\n": "nl", "\t": "tab", " ": "sp"}


@lru_cache(maxsize=16_384)
def text_pieces(text: str) -> Pieces:
    """The pieces of one exact text."""
    return tuple(map(_piece, _RUNS.findall(shorten(text, IN_TEXT_CHARACTERS))))


def line_pieces(tokens: Sequence[TokenRecord]) -> list[Pieces]:
    """The pieces of every token of a line, characters spread over several of them joined."""
    pieces = [text_pieces(token.token) for token in tokens]
    for i, joined in joined_pieces(tokens).items():
        pieces[i] = joined
    return pieces


def joined_pieces(tokens: Sequence[TokenRecord]) -> dict[int, Pieces]:
    """The pieces of those tokens, by place, whose bytes are parts of characters.

    The bytes of one character spread over several tokens are shown as that character at the first
    of them, with a mark at the others.
    """
    texts = [token.token for token in tokens]
    if "\\x" not in "".join(texts):
        return {}  # nearly every line: the exact text of a part of a character has one
    partial = [
        i for i, text in enumerate(texts) if "\\x" in text and not _is_text(tokens[i].token_bytes)
    ]
    return {
        start + i: pieces
        for start, stop in _runs(partial)
        for i, pieces in enumerate(_join(tuple(token.token_bytes for token in tokens[start:stop])))
    }


def _piece(run: str) -> tuple[Kind, str]:
    kind = _KINDS.get(run[0], "")
    if kind:
        return kind, run
    shown = display(run)
    return ("", run) if shown == run else ("ctl", shown)


@lru_cache(maxsize=4_096)
def _join(token_bytes: tuple[bytes, ...]) -> list[Pieces]:
    """Pieces of tokens that hold parts of characters; their leading spaces stay real."""
    bodies = [data.lstrip(b" \n\t") for data in token_bytes]
    leads = [
        data[: len(data) - len(body)].decode()
        for data, body in zip(token_bytes, bodies, strict=True)
    ]
    return [
        (*text_pieces(lead), *_joined_piece(shown))
        for lead, shown in zip(leads, join_bytes(bodies), strict=True)
    ]


def _joined_piece(shown: str) -> Pieces:
    if not shown:
        return ()
    return (("ctl" if CONTINUATION in shown or "\\x" in shown else "", shown),)


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges of neighbouring places, two or more, as (first, past the last)."""
    runs: list[tuple[int, int]] = []
    for i in places:
        if runs and runs[-1][1] == i:
            runs[-1] = (runs[-1][0], i + 1)
        else:
            runs.append((i, i + 1))
    return [run for run in runs if run[1] - run[0] > 1]


@lru_cache(maxsize=4_096)
def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
