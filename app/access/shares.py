"""Share links: made, found, listed, revoked. A link is `id.signature`; what it opens stands here.

The signature (itsdangerous, HMAC-SHA256 over the id, with the secret of this notebook) keeps ids
from being tried; what a link opens, until when, and whether it was revoked is read from its row
at every request. Ids alone are no links: a list of them opens nothing. Knows no address.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadSignature, Signer
from sqlalchemy import Connection, Engine, Row, Select, select, update

from app.access import times
from app.access.tables import access_key, access_state, share_link
from app.errors import AtlasError, echoed
from app.notebook.database import writing

_ID = re.compile("[0-9a-f]{16}")
SHORTEST_DAYS, LONGEST_DAYS = 1 / 24, 366.0


@dataclass(frozen=True)
class Share:
    """What one link opens."""

    share_id: str
    """16 hexadecimal digits"""
    kind: str
    """feature, list, comparison, reading"""
    address: str
    """path and query of what it opens, from the root"""
    dictionary: tuple[str, str] | None
    """(model, sae) that alone is seen through it; None: no limit"""
    made_by: str
    made_with: str
    """key_id of the maker's key; "" where it was made without one"""
    made_at: str
    expires_at: str
    """that of the maker's key, where that ends earlier"""
    revoked_at: str
    """"" while it isn't"""
    revoked_by: str
    maker_gone: bool = False
    """the key it was made with has been revoked"""

    @property
    def state(self) -> str:
        """`open`, `expired` or `revoked`"""
        if self.revoked_at or self.maker_gone:
            return "revoked"
        return "expired" if times.is_over(self.expires_at) else "open"


def create_share(
    notebook: Engine,
    kind: str,
    address: str,
    dictionary: tuple[str, str] | None,
    made_by: str,
    made_with: str,
    days: float,
) -> Share:
    """A new link to one address.

    Raises:
        AtlasError: the days are none it can last.
        NotebookError: the notebook can't be written.
    """
    if not SHORTEST_DAYS <= days <= LONGEST_DAYS:
        raise AtlasError(
            f"A link can't last {days:g} days: choose between an hour and {LONGEST_DAYS:g} days."
        )
    model, sae = dictionary or ("", "")
    row = {
        "share_id": secrets.token_hex(8),
        "kind": kind,
        "address": address,
        "model": model,
        "sae": sae,
        "made_by": made_by,
        "made_with": made_with,
        "made_at": times.as_text(times.now()),
        "expires_at": times.in_days(days),
        "revoked_at": times.NEVER,
        "revoked_by": "",
    }
    with writing(notebook) as connection:
        connection.execute(share_link.insert(), [row])
        return find_shares(connection, [row["share_id"]])[0]


def list_shares(notebook: Engine) -> list[Share]:
    """Every link there ever was, the newest first."""
    statement = _select().order_by(share_link.c.made_at.desc(), share_link.c.share_id)
    with notebook.connect() as connection:
        return [_share(row) for row in connection.execute(statement)]


def find_shares(connection: Connection, share_ids: Iterable[str]) -> list[Share]:
    """The links of these ids, whatever their state; unknown ids are absent."""
    ids = [share_id for share_id in share_ids if _ID.fullmatch(share_id)]
    rows = connection.execute(_select().where(share_link.c.share_id.in_(ids)))
    return [_share(row) for row in rows]


def revoke_share(notebook: Engine, share_id: str, by: str) -> Share:
    """Ends a link now; once is enough.

    Raises:
        AtlasError: there is no such link.
    """
    found: list[Share] = []
    if _ID.fullmatch(share_id):
        with writing(notebook) as connection:
            connection.execute(
                update(share_link)
                .where(share_link.c.share_id == share_id, share_link.c.revoked_at == times.NEVER)
                .values(revoked_at=times.as_text(times.now()), revoked_by=by)
            )
            found = find_shares(connection, [share_id])
    if not found:
        raise AtlasError(
            f"There is no share link {echoed(share_id)!r}: `feature-atlas shares list` names them."
        )
    return found[0]


def read_secret(connection: Connection) -> str:
    """The secret of this notebook, 64 hexadecimal digits."""
    return str(connection.execute(select(access_state.c.secret)).scalar_one())


def sign(secret: str, share_id: str) -> str:
    """A link's own text."""
    return _signer(secret).sign(share_id).decode()


def signed_id(secret: str, text: str) -> str | None:
    """The id in a link's text; None where it isn't one that this notebook signed."""
    try:
        share_id = _signer(secret).unsign(text).decode()
    except (BadSignature, UnicodeError):
        return None
    # base64 can write one signature in several ways: only our own is the link.
    return share_id if hmac.compare_digest(sign(secret, share_id), text) else None


def _signer(secret: str) -> Signer:
    return Signer(
        bytes.fromhex(secret),
        salt="feature-atlas share link",
        key_derivation="hmac",
        digest_method=hashlib.sha256,
    )


def _select() -> Select[Any]:
    return select(
        share_link,
        access_key.c.expires_at.label("key_ends"),
        access_key.c.revoked_at.label("key_revoked"),
    ).outerjoin(access_key, access_key.c.key_id == share_link.c.made_with)


def _share(row: Row[Any]) -> Share:
    return Share(
        row.share_id,
        row.kind,
        row.address,
        (row.model, row.sae) if row.model else None,
        row.made_by,
        row.made_with,
        row.made_at,
        min(filter(None, (row.expires_at, row.key_ends))),
        row.revoked_at,
        row.revoked_by,
        bool(row.key_revoked),
    )
