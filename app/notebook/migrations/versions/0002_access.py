"""Keys, share links, and the secret that links are signed with."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """From labels, notes and lists alone."""
    op.create_table(
        "access_key",
        sa.Column("key_id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("sae", sa.String, nullable=False),
        sa.Column("key_hash", sa.String, nullable=False),
        sa.Column("cookie_hash", sa.String, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("expires_at", sa.String, nullable=False),
        sa.Column("revoked_at", sa.String, nullable=False),
    )
    op.create_index("key_by_hash", "access_key", ["key_hash"], unique=True)
    op.create_index("key_by_cookie", "access_key", ["cookie_hash"], unique=True)
    op.create_table(
        "share_link",
        sa.Column("share_id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("sae", sa.String, nullable=False),
        sa.Column("made_by", sa.String, nullable=False),
        sa.Column("made_with", sa.String, nullable=False),
        sa.Column("made_at", sa.String, nullable=False),
        sa.Column("expires_at", sa.String, nullable=False),
        sa.Column("revoked_at", sa.String, nullable=False),
        sa.Column("revoked_by", sa.String, nullable=False),
    )
    state = op.create_table(
        "access_state",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("secret", sa.String, nullable=False),
    )
    op.bulk_insert(state, [{"id": 1, "secret": secrets.token_hex(32)}])
