"""Labels, the one shown first, notes, lists, stars, and the history of them all."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _about() -> list[sa.Column]:
    return [
        sa.Column("model", sa.String, nullable=False),
        sa.Column("sae", sa.String, nullable=False),
        sa.Column("feature_index", sa.Integer, nullable=False),
        sa.Column("weights_hash", sa.String, nullable=False),
    ]


def _written() -> list[sa.Column]:
    return [
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("changed_by", sa.String, nullable=False),
        sa.Column("changed_at", sa.String, nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
    ]


def upgrade() -> None:
    """From nothing."""
    state = op.create_table(
        "notebook_state",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("counter", sa.Integer, nullable=False),
    )
    op.bulk_insert(state, [{"id": 1, "counter": 0}])
    op.create_table(
        "label",
        sa.Column("uid", sa.String, primary_key=True),
        *_about(),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("reading", sa.Text, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("explainer", sa.String, nullable=False),
        sa.Column("prompt_version", sa.String, nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("score_kind", sa.String, nullable=False),
        *_written(),
    )
    op.create_index("label_by_feature", "label", ["model", "sae", "feature_index"])
    op.create_table(
        "shown_label",
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("sae", sa.String, primary_key=True),
        sa.Column("feature_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("label_uid", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("changed_by", sa.String, nullable=False),
        sa.Column("changed_at", sa.String, nullable=False),
    )
    op.create_table(
        "note",
        sa.Column("uid", sa.String, primary_key=True),
        *_about(),
        sa.Column("text", sa.Text, nullable=False),
        *_written(),
    )
    op.create_index("note_by_feature", "note", ["model", "sae", "feature_index"])
    op.create_table(
        "feature_list",
        sa.Column("uid", sa.String, primary_key=True),
        sa.Column("slug", sa.String, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        *_written(),
    )
    op.create_index("list_by_slug", "feature_list", ["slug"], unique=True)
    op.create_table(
        "list_entry",
        sa.Column("uid", sa.String, primary_key=True),
        sa.Column("list_uid", sa.String, nullable=False),
        *_about(),
        sa.Column("remark", sa.Text, nullable=False),
        *_written(),
    )
    of_feature = ["model", "sae", "feature_index"]
    op.create_index("entry_by_list", "list_entry", ["list_uid", *of_feature], unique=True)
    op.create_index("entry_by_feature", "list_entry", of_feature)
    op.create_table(
        "star",
        sa.Column("author", sa.String, primary_key=True),
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("sae", sa.String, primary_key=True),
        sa.Column("feature_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("weights_hash", sa.String, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
    )
    op.create_index("star_by_feature", "star", of_feature)
    op.create_table(
        "revision",
        sa.Column("revision_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("uid", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("sae", sa.String, nullable=False),
        sa.Column("feature_index", sa.Integer),
        sa.Column("record", sa.JSON, nullable=False),
    )
    op.create_index("revision_by_thing", "revision", ["kind", "uid", "version"])
