"""The tables of keys and share links, in the notebook's database. Knows no query.

Times are UTC as text, `2026-03-01T12:00:00.000Z`, so that they sort; "" stands for never. A `model`
and `sae` of "" are no limit.
"""

from sqlalchemy import Column, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

access_key = Table(
    "access_key",
    metadata,
    Column("key_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("model", String, nullable=False),
    Column("sae", String, nullable=False),
    Column("key_hash", String, nullable=False),
    Column("cookie_hash", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("expires_at", String, nullable=False),
    Column("revoked_at", String, nullable=False),
    Index("key_by_hash", "key_hash", unique=True),
    Index("key_by_cookie", "cookie_hash", unique=True),
)
"""`key_id` names a key in lists and in the log, and opens nothing."""

share_link = Table(
    "share_link",
    metadata,
    Column("share_id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("address", Text, nullable=False),
    Column("model", String, nullable=False),
    Column("sae", String, nullable=False),
    Column("made_by", String, nullable=False),
    Column("made_with", String, nullable=False),
    Column("made_at", String, nullable=False),
    Column("expires_at", String, nullable=False),
    Column("revoked_at", String, nullable=False),
    Column("revoked_by", String, nullable=False),
)
"""`address` is what is opened; `made_with` the key_id of its maker's key, whose revocation ends
the link too ("" where it was made without one)."""

access_state = Table(
    "access_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("secret", String, nullable=False),
)
"""One row, id 1: the secret share links are signed with, 64 hexadecimal digits."""
