"""What the notebook knows of the things a request shows: its key, its links, whether keys exist.

One connection a request, asked in a thread beside the event loop: a key revoked a moment ago opens
nothing any more. Knows no request.
"""

from dataclasses import dataclass

from sqlalchemy import Engine

from app.access.keys import Key, any_key, key_of_cookie, key_of_token
from app.access.shares import Share, find_shares, read_secret, signed_id
from app.web.access.shown import Shown


@dataclass(frozen=True)
class Found:
    """What of it holds now."""

    secret: str = ""
    """of the notebook; "" where none is kept"""
    locked: bool = False
    """a key was made at some time"""
    header_key: Key | None = None
    address_key: Key | None = None
    cookie_key: Key | None = None
    shares: tuple[Share, ...] = ()
    """of the links shown those that are signed and still open, in the order shown"""


def look_up(notebook: Engine, shown: Shown) -> Found:
    """Reads what a request shows.

    Raises:
        NotebookError: the database can't be read now.
    """
    with notebook.connect() as connection:
        secret = read_secret(connection)
        ids = [share_id for text in shown.links if (share_id := signed_id(secret, text))]
        by_id = {share.share_id: share for share in find_shares(connection, ids)} if ids else {}
        return Found(
            secret,
            any_key(connection),
            key_of_token(connection, shown.header_key),
            key_of_token(connection, shown.address_key or ""),
            key_of_cookie(connection, shown.cookie),
            tuple(by_id[i] for i in ids if i in by_id and by_id[i].state == "open"),
        )
