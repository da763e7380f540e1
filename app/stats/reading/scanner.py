"""Cuts the line of a reading into words, quoted texts, expressions and signs.

Takes text, gives lexemes with their places. Knows no grammar: what may stand where is decided in
`grammar`.
"""

import re
from dataclasses import dataclass
from typing import Literal

from app.stats.reading.errors import ReadingError

KEYWORDS = frozenset({"or", "and", "not", "with", "without", "within", "before", "after"})
_SIGNS = frozenset("()|,*")
_CLOSING = {'"': '"', "'": "'", "“": "”", "‘": "’"}
_WORD = re.compile(r"[^\s()|,\"“‘]+")
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_IN_EXPRESSIONS = frozenset("\\/.^$*+?()[]{}|")
"""What means itself there only behind a backslash."""
_NAMED = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class Lexeme:
    """One piece of a reading."""

    kind: Literal["word", "exact", "expression", "sign", "end"]
    text: str
    """what it stands for: quotes taken away, escapes resolved"""
    source: str
    """as typed"""
    start: int
    stop: int
    any_case: bool = False
    """an expression with /…/i"""


def scan(text: str) -> list[Lexeme]:
    """The lexemes of a reading; the last one is its end.

    Raises:
        ReadingError: a quote or an expression is never closed.
    """
    found: list[Lexeme] = []
    at = 0
    while at < len(text):
        first = text[at]
        if first.isspace():
            at += 1
            continue
        if first in _SIGNS:
            lexeme = Lexeme("sign", first, first, at, at + 1)
        elif first in _CLOSING:
            lexeme = _quoted(text, at, _CLOSING[first])
        elif first == "/":
            lexeme = _expression(text, at)
        else:
            lexeme = _word(text, at)
        found.append(lexeme)
        at = lexeme.stop
    return [*found, Lexeme("end", "", "", len(text), len(text))]


def quoted(text: str) -> str:
    """A text as the language writes it exactly, on one line."""
    named = {character: f"\\{letter}" for letter, character in _NAMED.items()}
    escaped = "".join(
        named.get(c) or (f"\\{c}" if c in '\\"' else c if c.isprintable() else _numbered(c))
        for c in text
    )
    return f'"{escaped}"'


def as_expression(text: str) -> str:
    """A regular expression, as the language writes it, that matches exactly this text.

    What can't be seen is written by its number; half a surrogate pair has none that can be read.
    """
    named = {character: f"\\{letter}" for letter, character in _NAMED.items()}
    own = named | {sign: f"\\{sign}" for sign in _IN_EXPRESSIONS}
    return f"/{''.join(own.get(c) or (c if c.isprintable() else _by_number(c)) for c in text)}/"


def _by_number(character: str) -> str:
    return f"\\x{{{ord(character):x}}}"


def _numbered(character: str) -> str:
    code = ord(character)
    return character if code > 0xFFFF else f"\\u{code:04x}"


def _word(text: str, at: int) -> Lexeme:
    match = _WORD.match(text, at)
    assert match is not None
    word = match.group()
    kind = "sign" if word in KEYWORDS else "word"
    return Lexeme(kind, word, word, at, match.end())


def _quoted(text: str, at: int, closing: str) -> Lexeme:
    stop = _closed(text, at, closing)
    if stop is None:
        raise ReadingError(f"This quote is never closed by {closing}.", at, len(text))
    source = text[at:stop]
    inner = _ESCAPE.sub(_unescaped, source[1:-1])
    kind = "exact" if closing in '"”' else "word"
    if not (inner if kind == "exact" else inner.strip()):
        raise ReadingError("There is nothing between these quotes.", at, stop)
    return Lexeme(kind, inner if kind == "exact" else inner.strip(), source, at, stop)


def _expression(text: str, at: int) -> Lexeme:
    stop = _closed(text, at, "/")
    if stop is None:
        raise ReadingError("This regular expression is never closed by /.", at, len(text))
    pattern = text[at + 1 : stop - 1]  # \/ is left: an escaped slash means a slash there too
    if not pattern:
        raise ReadingError("There is nothing between these slashes.", at, stop)
    any_case = text[stop : stop + 1] == "i" and not text[stop + 1 : stop + 2].isalnum()
    stop += any_case
    return Lexeme("expression", pattern, text[at:stop], at, stop, any_case)


def _closed(text: str, at: int, closing: str) -> int | None:
    """Where what opens at `at` ends, its closing sign included."""
    i = at + 1
    while i < len(text):
        if text[i] == "\\":
            i += 2
        elif text[i] == closing:
            return i + 1
        else:
            i += 1
    return None


def _unescaped(match: re.Match[str]) -> str:
    byte, code, other = match.groups()
    if byte or code:
        return chr(int(byte or code, 16))
    return _NAMED.get(other, other)
