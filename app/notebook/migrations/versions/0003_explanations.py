"""Explanations by a language model: scores of labels, runs, how far features are, answers."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _about(key: bool) -> list[sa.Column]:
    return [
        sa.Column("model", sa.String, primary_key=key, nullable=False),
        sa.Column("sae", sa.String, primary_key=key, nullable=False),
        sa.Column(
            "feature_index", sa.Integer, primary_key=key, autoincrement=False, nullable=False
        ),
        sa.Column("weights_hash", sa.String, primary_key=key, nullable=False),
    ]


def upgrade() -> None:
    """From labels with one number as their score."""
    op.add_column("label", sa.Column("scores", sa.JSON, nullable=False, server_default="{}"))
    op.create_table(
        "explanation_run",
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("sae", sa.String, nullable=False),
        sa.Column("weights_hash", sa.String, nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("endpoint", sa.String, nullable=False),
        sa.Column("started_at", sa.String, nullable=False),
        sa.Column("ended_at", sa.String, nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
    )
    op.create_table(
        "explanation",
        *_about(True),
        sa.Column("settings_hash", sa.String, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("label_uid", sa.String, nullable=False),
        sa.Column("split", sa.JSON, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("changed_at", sa.String, nullable=False),
    )
    op.create_index("explanation_by_label", "explanation", ["label_uid"])
    op.create_table(
        "explanation_answer",
        sa.Column("answer_key", sa.String, primary_key=True),
        *_about(False),
        sa.Column("step", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("prompt_tokens", sa.Integer),
        sa.Column("completion_tokens", sa.Integer),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("answered_at", sa.String, nullable=False),
    )
