"""The tables of a notebook as the newest migration leaves them.

Everything is about a feature by `(model, sae, feature_index)`, the slugs of its address, and
carries `weights_hash`, that of the dictionary it was written about: an atlas can be rebuilt.
`uid` is a thing's identity in every notebook it is imported into. Times are UTC as text,
`2026-03-01T12:00:00.000Z`, so that they sort and come back exactly. Knows no query.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

notebook_state = Table(
    "notebook_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("counter", Integer, nullable=False),
)
"""One row, id 1: how many changes there have been. Every writer locks it first, so that writers
take turns on either database; whoever reads it knows whether anything is new."""


def _about() -> list[Column]:
    return [
        Column("model", String, nullable=False),
        Column("sae", String, nullable=False),
        Column("feature_index", Integer, nullable=False),
        Column("weights_hash", String, nullable=False),
    ]


def _written() -> list[Column]:
    return [
        Column("version", Integer, nullable=False),
        Column("author", String, nullable=False),
        Column("created_at", String, nullable=False),
        Column("changed_by", String, nullable=False),
        Column("changed_at", String, nullable=False),
        Column("withdrawn", Boolean, nullable=False),
    ]


label = Table(
    "label",
    metadata,
    Column("uid", String, primary_key=True),
    *_about(),
    Column("text", Text, nullable=False),
    Column("reading", Text, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("source", String, nullable=False),
    Column("explainer", String, nullable=False),
    Column("prompt_version", String, nullable=False),
    Column("score", Float),
    Column("score_kind", String, nullable=False),
    Column("scores", JSON, nullable=False, server_default="{}"),
    *_written(),
    Index("label_by_feature", "model", "sae", "feature_index"),
)
"""`source` is empty for what people wrote here, else where it comes from; `explainer` the language
model that wrote it; `evidence` the reading's score at the time, empty without one; `scores` what
the text scored when a language model was asked to find the feature by it, with counts."""

shown_label = Table(
    "shown_label",
    metadata,
    Column("model", String, primary_key=True),
    Column("sae", String, primary_key=True),
    Column("feature_index", Integer, primary_key=True, autoincrement=False),
    Column("label_uid", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed_by", String, nullable=False),
    Column("changed_at", String, nullable=False),
)
"""Which label somebody chose to be shown first; `label_uid` is empty where that was undone."""

note = Table(
    "note",
    metadata,
    Column("uid", String, primary_key=True),
    *_about(),
    Column("text", Text, nullable=False),
    *_written(),
    Index("note_by_feature", "model", "sae", "feature_index"),
)

feature_list = Table(
    "feature_list",
    metadata,
    Column("uid", String, primary_key=True),
    Column("slug", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    *_written(),
    Index("list_by_slug", "slug", unique=True),
)

list_entry = Table(
    "list_entry",
    metadata,
    Column("uid", String, primary_key=True),
    Column("list_uid", String, nullable=False),
    *_about(),
    Column("remark", Text, nullable=False),
    *_written(),
    Index("entry_by_list", "list_uid", "model", "sae", "feature_index", unique=True),
    Index("entry_by_feature", "model", "sae", "feature_index"),
)

star = Table(
    "star",
    metadata,
    Column("author", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("sae", String, primary_key=True),
    Column("feature_index", Integer, primary_key=True, autoincrement=False),
    Column("weights_hash", String, nullable=False),
    Column("created_at", String, nullable=False),
    Index("star_by_feature", "model", "sae", "feature_index"),
)

revision = Table(
    "revision",
    metadata,
    Column("revision_id", Integer, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("uid", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("action", String, nullable=False),
    Column("author", String, nullable=False),
    Column("at", String, nullable=False),
    Column("model", String, nullable=False),
    Column("sae", String, nullable=False),
    Column("feature_index", Integer),
    Column("record", JSON, nullable=False),
    Index("revision_by_thing", "kind", "uid", "version"),
)
"""Every change, in order: `revision_id` is the counter after it, `record` the whole row after it.
Nothing is ever taken out; this is the history, and who wrote what."""

explanation_run = Table(
    "explanation_run",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("model", String, nullable=False),
    Column("sae", String, nullable=False),
    Column("weights_hash", String, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("endpoint", String, nullable=False),
    Column("started_at", String, nullable=False),
    Column("ended_at", String, nullable=False),
    Column("counts", JSON, nullable=False),
)
"""One run of `feature-atlas explain`; `ended_at` is empty while it runs, and after it was killed.
`endpoint` is an address without anything that opens it."""

explanation = Table(
    "explanation",
    metadata,
    Column("model", String, primary_key=True),
    Column("sae", String, primary_key=True),
    Column("feature_index", Integer, primary_key=True, autoincrement=False),
    Column("weights_hash", String, primary_key=True),
    Column("settings_hash", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("label_uid", String, nullable=False),
    Column("split", JSON, nullable=False),
    Column("run_id", String, nullable=False),
    Column("changed_at", String, nullable=False),
    Index("explanation_by_label", "label_uid"),
)
"""How far a feature is under some settings, and which texts explained and scored it."""

explanation_answer = Table(
    "explanation_answer",
    metadata,
    Column("answer_key", String, primary_key=True),
    Column("model", String, nullable=False),
    Column("sae", String, nullable=False),
    Column("feature_index", Integer, nullable=False),
    Column("weights_hash", String, nullable=False),
    Column("step", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("run_id", String, nullable=False),
    Column("answered_at", String, nullable=False),
)
"""Answers that could be read, under a hash of what was asked of whom: nothing is asked twice."""
