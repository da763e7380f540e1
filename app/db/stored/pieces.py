"""How the sentences of a feature lie in a column: JSON, the kinds of all pieces in front.

`[["text", "Fires on "], ["number", "1.1%"]]` is stored as `["tn","Fires on ","1.1%"]`. Knows the
kinds of pieces and no sentence.
"""

import json
from typing import Any

from sqlalchemy import Dialect, String
from sqlalchemy.types import TypeDecorator

_LETTERS = {"text": "t", "number": "n", "token": "k"}
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_KINDS = {letter: kind for kind, letter in _LETTERS.items()}


class Pieces(TypeDecorator[list[list[str]]]):
    """A column of `[kind, text]` pieces."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: list[list[str]] | None, dialect: Dialect) -> str | None:
        """The JSON text of some pieces."""
        return None if value is None else dump_pieces(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> list[list[str]] | None:
        """The pieces of a JSON text."""
        return None if value is None else whole_pieces(json.loads(value))


def dump_pieces(pieces: list[list[str]]) -> str:
    """The JSON text of some pieces.

    Raises:
        KeyError: a piece of a kind that isn't known here.
    """
    kinds = "".join(_LETTERS[kind] for kind, _ in pieces)
    return _encode([kinds, *(text for _, text in pieces)])


def whole_pieces(stored: list[str]) -> list[list[str]]:
    """The pieces of what a column's JSON holds."""
    kinds, *texts = stored
    return [[_KINDS[letter], text] for letter, text in zip(kinds, texts, strict=True)]
