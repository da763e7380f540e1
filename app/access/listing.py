"""Keys and share links as the command line prints them: aligned columns, one line each.

Takes records, gives lines. Nothing that opens anything is among them.
"""

from collections.abc import Iterable, Sequence

from app.access.keys import Key
from app.access.shares import Share
from app.access.times import NEVER, in_words

_KEY_HEAD = ("key", "name", "role", "dictionary", "made", "until", "state")
_SHARE_HEAD = ("link", "opens", "address", "made by", "made", "until", "state")


def key_lines(keys: Iterable[Key]) -> list[str]:
    """The head and a line for each key."""
    rows = [
        (
            key.key_id,
            key.viewer.name,
            key.viewer.role,
            "/".join(key.viewer.dictionary or ("all",)),
            in_words(key.created_at),
            in_words(key.expires_at),
            key.state,
        )
        for key in keys
    ]
    return _table(_KEY_HEAD, rows) if rows else ["No key was ever made here."]


def share_lines(shares: Iterable[Share]) -> list[str]:
    """The head and a line for each link."""
    rows = [
        (
            share.share_id,
            share.kind,
            share.address,
            share.made_by,
            in_words(share.made_at),
            in_words(share.expires_at),
            share.state,
        )
        for share in shares
    ]
    return _table(_SHARE_HEAD, rows) if rows else ["No share link was ever made here."]


def key_sentence(key: Key) -> str:
    """What a key that was just made is good for."""
    where = "/".join(key.viewer.dictionary) if key.viewer.dictionary else "everything"
    until = "without an end" if key.expires_at == NEVER else f"until {in_words(key.expires_at)}"
    return (
        f"A key for {key.viewer.name}: role {key.viewer.role}, {where}, {until}. It is shown this "
        f"once; `feature-atlas keys revoke {key.key_id}` ends it."
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
