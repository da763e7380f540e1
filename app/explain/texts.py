"""A stretch of a context as a prompt shows it: pieces of exact text, each with its strength.

A text is written as a JSON string, so that spaces, newlines and quotes are exact and nothing in it
can end it; characters that draw nothing and what could pass for a chat template's own marks are
escaped. Knows no prompt.
"""

import codecs
import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from app.db.display import shorten
from app.db.records import TokenRecord

BEFORE, AFTER = 31, 8
"""Tokens shown before and after the one a text is about."""
STRONGEST = 10
"""Strengths are whole numbers from 1 to this."""
OPEN, CLOSE = "⟦", "⟧"
_LONGEST_PIECE = 200
"""Characters of one token; the rest is counted."""

Kind = Literal["active", "near", "silent", "other"]
"""It fires in it; it almost fired; it is silent on one of its own tokens; from another feature"""

_OF_TEMPLATES = re.compile(r"<(?=\||/?s>|/?(?:bos|eos|pad|unk)>|(?:start|end)_of_)|\[(?=/?INST\])")
_NAMED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True)
class Text:
    """What is shown of one place of the corpus."""

    kind: Kind
    context_id: int
    position: int
    """of the token it is about, in its context"""
    band: int
    """fifth of the feature's range its activation lies in, 0 the weakest; -1 where it is silent"""
    pieces: tuple[str, ...]
    """nearly always one for each token; a character's bytes are never parted"""
    strengths: tuple[int, ...]
    """of each piece: 0 where the feature is silent, else 1 to 10 (tenths of its maximum)"""

    @property
    def place(self) -> list[int]:
        """Where it is, as a notebook keeps it."""
        return [self.context_id, self.position]

    @property
    def plain(self) -> str:
        """The text alone, as it stands."""
        return "".join(self.pieces)

    @property
    def firing(self) -> list[int]:
        """The pieces on which the feature fires."""
        return [i for i, strength in enumerate(self.strengths) if strength]


def shown(text: Text) -> str:
    """The text without any mark, as a JSON string."""
    return shown_marked(text, ())


def shown_marked(text: Text, marked: Collection[int]) -> str:
    """The same with some pieces in brackets."""
    return _quoted(
        f"{OPEN}{_inside(piece)}{CLOSE}" if i in marked else _inside(piece)
        for i, piece in enumerate(text.pieces)
    )


def shown_with_strengths(text: Text) -> str:
    """The same with every firing in brackets, and how strong it is."""
    return _quoted(
        f"{OPEN}{_inside(piece)}|{strength}{CLOSE}" if strength else _inside(piece)
        for piece, strength in zip(text.pieces, text.strengths, strict=True)
    )


def join_characters(
    tokens: Sequence[TokenRecord], strengths: Sequence[int]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Pieces and their strengths; tokens that hold parts of one character are one piece.

    Its strength is the largest of theirs. Bytes that belong to no character are \\xNN.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    pieces: list[str] = []
    kept: list[int] = []
    waiting = 0
    for i, (token, strength) in enumerate(zip(tokens, strengths, strict=True)):
        last = i == len(tokens) - 1
        piece = decoder.decode(token.token_bytes or token.token.encode(), last)
        waiting = max(waiting, strength)
        if piece:
            pieces.append(shorten(piece, _LONGEST_PIECE))
            kept.append(waiting)
            waiting = 0
    return tuple(pieces), tuple(kept)


def window_around(position: int, tokens: Sequence[TokenRecord]) -> tuple[int, int]:
    """The places [start, stop) shown around a token of a context: nothing beyond a special token.

    Args:
        tokens: of the whole context.
    """
    start, stop = max(0, position - BEFORE), min(len(tokens), position + AFTER + 1)
    special = [i for i in range(start, stop) if tokens[i].special]
    start = max([start, *(i + 1 for i in special if i < position)])
    return start, min([stop, *(i for i in special if i > position)])


def _quoted(parts: Iterable[str]) -> str:
    """A JSON string of parts that were escaped one by one."""
    # A mark of a chat template may lie in several of them.
    return f'"{_OF_TEMPLATES.sub(lambda found: _number(found[0]), "".join(parts))}"'


def _inside(piece: str) -> str:
    """A piece as it stands inside a JSON string."""
    return "".join(map(_named, json.dumps(piece, ensure_ascii=False)[1:-1]))


def _named(letter: str) -> str:
    hidden = unicodedata.category(letter) in _NAMED
    return _number(letter) if hidden or letter in OPEN + CLOSE else letter


def _number(letter: str) -> str:
    """A character by its number, as JSON writes it: two of them beyond U+FFFF."""
    return json.dumps(letter)[1:-1] if ord(letter) > 127 else f"\\u{ord(letter):04x}"
