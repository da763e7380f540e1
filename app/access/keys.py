"""Keys: made, found, listed, revoked. What opens the atlas is shown once and stored nowhere.

A key is 256 random bits, so a plain SHA-256 of it is all the database needs: a slow hash protects
passwords that can be guessed, and there is no guessing these. A browser keeps not the key but a
cookie derived from it, and of that, too, only the hash is stored: whoever reads the database can
sign in as nobody. Knows no request.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, select, update

from app.access import times
from app.access.tables import access_key
from app.access.viewer import Role, Viewer
from app.errors import AtlasError, echoed
from app.notebook.database import writing

PREFIX = "fa_"
_ID = re.compile("[0-9a-f]{8}")
_KEY = re.compile(r"fa_[A-Za-z0-9_-]{43}")
_COOKIE = re.compile(r"[0-9a-f]{64}")
LONGEST_NAME = 80
LONGEST_DAYS = 3650


@dataclass(frozen=True)
class Key:
    """A key as lists show it."""

    key_id: str
    """8 hexadecimal digits"""
    viewer: Viewer
    created_at: str
    expires_at: str
    """"" is never"""
    revoked_at: str
    """"" while it isn't"""

    @property
    def state(self) -> str:
        """`open`, `expired` or `revoked`"""
        if self.revoked_at:
            return "revoked"
        return "expired" if times.is_over(self.expires_at) else "open"


def create_key(
    notebook: Engine,
    name: str,
    role: Role,
    dictionary: tuple[str, str] | None = None,
    days: float | None = None,
) -> tuple[Key, str]:
    """A new key, and the secret text that opens the atlas with it.

    Raises:
        AtlasError: the name is none, the days are none, or an admin is to be limited.
        NotebookError: the notebook can't be written.
    """
    name = clean_name(name)
    if days is not None and not 0 < days <= LONGEST_DAYS:
        raise AtlasError(
            f"A key can't be good for {days:g} days: give --days more than 0 and up to "
            f"{LONGEST_DAYS}, or leave it out for a key without an end."
        )
    if role == "admin" and dictionary is not None:
        raise AtlasError(
            "An admin can't be limited to a dictionary: leave out --dictionary, or give --role "
            "write."
        )
    token = PREFIX + secrets.token_urlsafe(32)
    model, sae = dictionary or ("", "")
    row = {
        "key_id": secrets.token_hex(4),
        "name": name,
        "role": role,
        "model": model,
        "sae": sae,
        "key_hash": _hash(token),
        "cookie_hash": _hash(cookie_of(token)),
        "created_at": times.as_text(times.now()),
        "expires_at": times.in_days(days),
        "revoked_at": times.NEVER,
    }
    with writing(notebook) as connection:
        connection.execute(access_key.insert(), [row])
        made = connection.execute(select(access_key).where(_by_id(row["key_id"]))).one()
    return _key(made), token


def list_keys(notebook: Engine) -> list[Key]:
    """Every key there ever was, the oldest first."""
    statement = select(access_key).order_by(access_key.c.created_at, access_key.c.key_id)
    with notebook.connect() as connection:
        return [_key(row) for row in connection.execute(statement)]


def revoke_key(notebook: Engine, key_id: str) -> Key:
    """Ends a key now, with the share links made with it; once is enough.

    Raises:
        AtlasError: there is no such key.
    """
    row = None
    if _ID.fullmatch(key_id):
        with writing(notebook) as connection:
            connection.execute(
                update(access_key)
                .where(_by_id(key_id), access_key.c.revoked_at == times.NEVER)
                .values(revoked_at=times.as_text(times.now()))
            )
            row = connection.execute(select(access_key).where(_by_id(key_id))).one_or_none()
    if row is None:
        raise AtlasError(
            f"There is no key {echoed(key_id)!r}: `feature-atlas keys list` names them."
        )
    return _key(row)


def any_key(connection: Connection) -> bool:
    """Whether a key was ever made here: from then on nobody gets in without one."""
    return connection.execute(select(access_key.c.key_id).limit(1)).first() is not None


def key_of_token(connection: Connection, token: str) -> Key | None:
    """The key of a secret text somebody shows, if it opens anything now."""
    if not _KEY.fullmatch(token):
        return None
    return _good(connection, access_key.c.key_hash == _hash(token))


def key_of_cookie(connection: Connection, cookie: str) -> Key | None:
    """The key a cookie was derived from, if it opens anything now."""
    if not _COOKIE.fullmatch(cookie):
        return None
    return _good(connection, access_key.c.cookie_hash == _hash(cookie))


def cookie_of(token: str) -> str:
    """What a browser keeps in place of a key; the key can't be found from it."""
    return hmac.new(token.encode(), b"feature-atlas cookie value", hashlib.sha256).hexdigest()


def clean_name(name: str) -> str:
    """A name as what somebody writes is signed with.

    Raises:
        AtlasError: nothing visible, over 80 characters, or with signs that can't be seen.
    """
    cleaned = " ".join(name.split())
    if not cleaned or len(cleaned) > LONGEST_NAME or not cleaned.isprintable():
        raise AtlasError(
            f"The name {echoed(cleaned)!r} can't be used: give 1 to {LONGEST_NAME} visible "
            "characters."
        )
    return cleaned


def _good(connection: Connection, condition: ColumnElement[bool]) -> Key | None:
    row = connection.execute(select(access_key).where(condition)).one_or_none()
    key = None if row is None else _key(row)
    return key if key is not None and key.state == "open" else None


def _by_id(key_id: str) -> ColumnElement[bool]:
    return access_key.c.key_id == key_id


def _key(row: Row[Any]) -> Key:
    dictionary = (row.model, row.sae) if row.model else None
    viewer = Viewer(row.name, row.role, dictionary)
    return Key(row.key_id, viewer, row.created_at, row.expires_at, row.revoked_at)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
