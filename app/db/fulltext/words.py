r"""What counts as one word of a text: the rules of full-text search, for corpus and query alike.

A word is a run of letters, digits and underscores; an ideograph or kana alone; any other visible
character alone, so that a phrase of code is found with its brackets. Case and the spaces between
words don't count. Takes texts or the bytes of tokens, gives words with the tokens they lie in.
Knows no table.
"""

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from app.db.records import TokenRecord

LONGEST_WORD = 64
"""Characters of a word that are compared; longer ones are cut, in the corpus and in a query."""

GAP = "\0"
"""Stands where a special token does: no word, and no phrase goes across it."""

_SINGLE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_SINGLE}]|[^\W{_SINGLE}]+|[^\w\s]")
_NO_WORD = frozenset({GAP, "\ufffd"})


class PlacedWord(NamedTuple):
    """One word of a line of tokens; an empty text is a gap, which still has its number."""

    text: str
    first: int
    """place of the token it begins in"""
    last: int
    """place of the token it ends in"""


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared: casefolded, gaps left out."""
    found = (_compared(match.group()) for match in _WORD.finditer(text))
    return [word for word in found if word]


def marked(text: str, is_meant: Callable[[str], bool]) -> list[tuple[str, bool]]:
    """A text in pieces, each with whether it is a word that is meant; joined they are the text.

    Args:
        is_meant: asked for every word as it is compared.
    """
    pieces: list[tuple[str, bool]] = []
    done = 0
    for match in _WORD.finditer(text):
        if is_meant(_compared(match.group())):
            pieces += [(text[done : match.start()], False), (match.group(), True)]
            done = match.end()
    return [(piece, meant) for piece, meant in [*pieces, (text[done:], False)] if piece]


def is_word_like(word: str) -> bool:
    """Whether it is made of letters, digits and underscores, and no sign by itself."""
    return re.fullmatch(r"\w+", word) is not None


class TokenWords:
    """The words of lines of one vocabulary's tokens."""

    def __init__(self, tokens: Sequence[TokenRecord]) -> None:
        self._bytes = {token.token_id: _bytes_of(token) for token in tokens}
        self._texts = {i: text for i, data in self._bytes.items() if (text := _whole(data))}

    def words(self, token_ids: Sequence[int]) -> Iterator[PlacedWord]:
        """All words in order; ids that aren't in the vocabulary are gaps."""
        texts = [self._texts.get(i) for i in token_ids]
        if None in texts:
            text, first, last = _join([self._bytes.get(i, b"\0") for i in token_ids])
        else:
            text = "".join(texts)  # type: ignore[arg-type]
            first = last = [i for i, own in enumerate(texts) for _ in own or ""]
        for match in _WORD.finditer(text):
            yield PlacedWord(_compared(match.group()), first[match.start()], last[match.end() - 1])


def _compared(word: str) -> str:
    return "" if word in _NO_WORD else word.casefold()[:LONGEST_WORD]


def _bytes_of(token: TokenRecord) -> bytes:
    return GAP.encode() if token.special else token.token_bytes or token.token.encode()


def _whole(data: bytes) -> str:
    """The text of bytes that are whole characters; empty where they are parts of some."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return ""


def _join(pieces: Sequence[bytes]) -> tuple[str, list[int], list[int]]:
    """The text of tokens whose bytes may be parts of characters.

    Beside it, for every character, the places of the tokens with its first and its last byte.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text: list[str] = []
    first: list[int] = []
    last: list[int] = []
    begun = 0
    for i, piece in enumerate(pieces):
        waiting = bool(decoder.getstate()[0])
        made = decoder.decode(piece)
        text.append(made)
        first += [begun if waiting and k == 0 else i for k in range(len(made))]
        last += [i] * len(made)
        if decoder.getstate()[0] and not (waiting and not made):
            begun = i
    return "".join(text), first, last
