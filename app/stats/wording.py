"""Words, numbers and tokens of a sentence kept apart, and how shares are printed.

Takes texts and numbers, gives pieces a page can set apart. Knows no rules of the summary.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

Kind = Literal["text", "number", "token"]
Piece = tuple[Kind, str]

COUNTS_BELOW = 100  # shares of fewer cases are printed as counts


def plain(pieces: Iterable[Sequence[str]]) -> str:
    """The pieces as one string, tokens in ‘ ’."""
    return "".join(f"‘{text}’" if kind == "token" else text for kind, text in pieces)


def listed(tokens: Sequence[str]) -> list[Piece]:
    """‘a’, ‘b’ and ‘c’."""
    pieces: list[Piece] = []
    for i, token in enumerate(tokens):
        if i:
            pieces.append(("text", " and " if i == len(tokens) - 1 else ", "))
        pieces.append(("token", token))
    return pieces


def clipped(text: str, length: int) -> str:
    """At most `length` characters, the last of them … where the text is longer."""
    return text if len(text) <= length else text[: length - 1] + "…"


def share_or_count(n: int, total: int) -> str:
    """Counts where the cases are few, so that nobody reads 82% into six of them."""
    return f"{n} of {total}" if total < COUNTS_BELOW else percent(n / total)


def percent(share: float) -> str:
    """Two significant digits below 10%, whole percent above; 100% and 0% only where exact."""
    value = abs(share) * 100
    sign = "−" if share < 0 else ""
    if value == 0 or value >= 100:
        return f"{sign}{value:.0f}%"
    if value > 99:
        return f"{sign}{min(value, 99.9):.1f}%"
    if value >= 9.95:
        return f"{sign}{value:.0f}%"
    if value < 0.001:
        return f"{sign}<0.001%"
    digits = 1 if value >= 0.995 else 2 if value >= 0.0995 else 3
    return f"{sign}{value:.{digits}f}%"
