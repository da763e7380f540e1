r"""What is shown for a token: spaces and newlines visible, hostile characters named, never endless.

Takes exact texts or bytes and gives plain text (not markup: whoever prints it escapes it). Nothing
invisible, reordering or half-written gets through: control characters, zero-width and right-to-left
marks appear by name, and the bytes of one character spread over several tokens are joined. Knows
neither tokenizers nor pages.
"""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

DISPLAY_CHARACTERS = 1_000
"""A token's text is shown up to here, so that no token takes more than 10 kB."""

CONTINUATION = "◂"
"""Shown for a token's bytes that finish a character shown at a token before it."""

_VISIBLE = {" ": "·", "\n": "↵", "\t": "→", "\x7f": "\u2421"}
_NAMED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by category, yet drawn as nothing."""


def display(token: str) -> str:
    """The text to show for one token; at most about 8 kB, what is left out is counted.

    Space ·, newline ↵, tab →, other control characters as control pictures (␍), and everything
    else that draws nothing or changes its surroundings by its number (U+202E). A combining mark at
    the start sits on a dotted circle, not on whatever stands before the token.
    """
    shown = "".join(map(_shown, shorten(token)))
    return f"◌{shown}" if unicodedata.category(shown[:1] or " ").startswith("M") else shown


def shorten(text: str, limit: int = DISPLAY_CHARACTERS) -> str:
    """The text if it has at most `limit` characters, else its start and how many were left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}…(+{len(text) - limit:,})"


def join_bytes(tokens_bytes: Sequence[bytes]) -> list[str]:
    r"""The text to show for each token of a sequence, from their exact bytes.

    A character whose bytes lie in several tokens is shown whole at the first of them; the others
    show CONTINUATION for it. Bytes that belong to no character are shown as \xNN. Tokens without
    bytes show nothing.
    """
    shown: list[str] = []
    missing = 0
    for i, token in enumerate(tokens_bytes):
        mark = CONTINUATION if missing and token else ""
        n_inside = min(missing, len(token))
        missing -= n_inside
        own = token[n_inside:]
        tail = b"" if missing else _borrowed(own, tokens_bytes, i + 1)
        missing += len(tail)
        text = (own + tail).decode("utf-8", "backslashreplace")
        shown.append(mark + display(text) if text else mark)
    return shown


_LONGEST_CHARACTER = 4


def _borrowed(own: bytes, tokens_bytes: Sequence[bytes], following: int) -> bytes:
    """The bytes that tokens from `following` on lend to the unfinished character ending `own`.

    Empty when `own` ends with a whole character, or the character is never finished.
    """
    for n_have in range(1, min(_LONGEST_CHARACTER, len(own) + 1)):
        start = own[-n_have:]
        n_whole = _character_length(start[0])
        if n_whole > n_have:
            n_missing = n_whole - n_have
            lent = b""
            for token in islice(tokens_bytes, following, None):
                lent += token[: n_missing - len(lent)]
                if len(lent) == n_missing:
                    break
            return lent if _is_character(start + lent) else b""
    return b""


def _character_length(first_byte: int) -> int:
    """How many bytes a character has that begins with this byte; 0 if none begins so (RFC 3629)."""
    if 0xC2 <= first_byte <= 0xDF:
        return 2
    if 0xE0 <= first_byte <= 0xEF:
        return 3
    return 4 if 0xF0 <= first_byte <= 0xF4 else 0


def _is_character(data: bytes) -> bool:
    try:
        return len(data.decode()) == 1
    except UnicodeDecodeError:
        return False


@lru_cache(maxsize=4_096)
def _shown(character: str) -> str:
    if character in _VISIBLE:
        return _VISIBLE[character]
    if character < " ":
        return chr(0x2400 + ord(character))
    if character in _BLANK_LETTERS or unicodedata.category(character) in _NAMED_CATEGORIES:
        return f"U+{ord(character):04X}"
    return character
