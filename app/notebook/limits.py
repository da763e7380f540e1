"""How long what people write may be, and what no text may hold.

Takes texts as they were sent, gives them as they are kept, or one sentence. Knows no table.
"""

import re
import unicodedata
from typing import Final

from app.notebook.errors import NotAllowed

LONGEST: Final[dict[str, int]] = {
    "label": 300, "reading": 400, "note": 50_000, "title": 120, "description": 20_000,
    "remark": 2_000, "name": 80, "source": 120,
}  # fmt: skip
"""Characters of each kind of text."""

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MOST_SLUG = 60


def checked(kind: str, text: str, required: bool = True) -> str:
    """A text as it is kept: line ends as one newline, nothing around it.

    Raises:
        NotAllowed: empty though it is required, too long, or of characters no database keeps.
    """
    kept = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    longest = LONGEST[kind]
    if len(kept) > longest:
        raise NotAllowed(
            f"A {kind} has at most {longest:,} characters; this one has {len(kept):,}."
        )
    if "\x00" in kept or any("\ud800" <= letter <= "\udfff" for letter in kept):
        raise NotAllowed(
            f"This {kind} holds a character that is no text (U+0000 or a half of one)."
        )
    if required and not _visible(kept):
        raise NotAllowed(f"The {kind} is empty: write something first.")
    return kept


def checked_line(kind: str, text: str, required: bool = True) -> str:
    """The same for what stands in one line: runs of white space become one space."""
    return checked(kind, " ".join(text.split()), required)


def slug_of(title: str) -> str:
    """An address made of a title: its letters and digits in ASCII, joined by hyphens."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    return "-".join(words)[:_MOST_SLUG].strip("-") or "list"


def _visible(text: str) -> bool:
    """Whether anything of it can be seen: marks of direction and joiners alone can't."""
    return any(unicodedata.category(letter)[0] not in "ZC" for letter in text)
