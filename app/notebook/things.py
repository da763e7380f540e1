"""Adding, changing and withdrawing what people write, each under its version and with its history.

Takes a writing transaction (`database.writing`), gives rows. Whoever changes a thing names the
version they saw; where it is no longer the newest, `Conflict` carries both texts and nothing is
written. Knows no rule about what a text may be.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, insert, select, update

from app.errors import AtlasError
from app.notebook import schema
from app.notebook.errors import Absent
from app.notebook.records import Action, Entry, FeatureList, Kind, Label, Note, Revision, Written

Record = Label | Note | FeatureList | Entry
_T = TypeVar("_T", bound=Written)

TABLES: Mapping[Kind, Table] = {
    "label": schema.label,
    "note": schema.note,
    "list": schema.feature_list,
    "entry": schema.list_entry,
}
RECORDS: Mapping[Kind, type[Record]] = {
    "label": Label, "note": Note, "list": FeatureList, "entry": Entry,
}  # fmt: skip
_UID = re.compile("[0-9a-f]{32}")
SAID: Mapping[str, str] = {"label": "label", "note": "note", "list": "list", "entry": "remark"}


class Conflict(AtlasError):
    """Somebody else changed a thing since it was read; both versions are here, none is lost."""

    def __init__(self, kind: Kind, current: Record, sent: Mapping[str, Any]) -> None:
        super().__init__(
            f"{current.changed_by} changed this {SAID[kind]} while you were writing: nothing of "
            "yours was saved yet, and nothing of theirs is lost."
        )
        self.kind: Kind = kind
        self.current = current
        self.sent = sent
        """what the second one wrote, by field"""


def now() -> str:
    """The time, as it is kept."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def absent(kind: Kind) -> str:
    """The sentence for a thing that isn't there, or isn't for who asks."""
    return f"There is no such {SAID[kind]}: it may be in another notebook."


def get_thing(connection: Connection, kind: Kind, uid: str) -> Any:
    """One thing by its uid, withdrawn or not.

    Raises:
        Absent: there is none.
    """
    table = TABLES[kind]
    row = None
    if _UID.fullmatch(uid):  # no database takes every text as a name
        row = connection.execute(select(table).where(table.c.uid == uid)).one_or_none()
    if row is None:
        raise Absent(absent(kind))
    return RECORDS[kind](**row._mapping)


def add_thing(connection: Connection, kind: Kind, author: str, values: Mapping[str, Any]) -> Any:
    """Writes something new."""
    at = now()
    record = RECORDS[kind](
        uid=uuid.uuid4().hex,
        version=1,
        author=author,
        created_at=at,
        changed_by=author,
        changed_at=at,
        withdrawn=False,
        **values,
    )
    connection.execute(insert(TABLES[kind]).values(**row_of(record)))
    record_change(connection, kind, record, "made")
    return record


def change_thing(
    connection: Connection,
    kind: Kind,
    uid: str,
    seen: int,
    author: str,
    values: Mapping[str, Any],
    action: Action = "changed",
) -> Any:
    """Changes some fields of a thing; what already is as sent stays as it is.

    Args:
        seen: the version the change was made on.

    Raises:
        Absent: there is no such thing.
        Conflict: it has been changed since.
    """
    current = get_thing(connection, kind, uid)
    if all(getattr(current, name) == value for name, value in values.items()):
        return current
    if current.version != seen:
        raise Conflict(kind, current, values)
    changed = {
        **row_of(current), **values,
        "version": seen + 1, "changed_by": author, "changed_at": now(),
    }  # fmt: skip
    table = TABLES[kind]
    connection.execute(update(table).where(table.c.uid == uid).values(**changed))
    record = RECORDS[kind](**changed)
    record_change(connection, kind, record, action)
    return record


def withdraw_thing(connection: Connection, kind: Kind, uid: str, seen: int, author: str) -> Any:
    """Takes a thing back; it can be restored."""
    return change_thing(connection, kind, uid, seen, author, {"withdrawn": True}, "withdrawn")


def restore_thing(connection: Connection, kind: Kind, uid: str, seen: int, author: str) -> Any:
    """Undoes that."""
    return change_thing(connection, kind, uid, seen, author, {"withdrawn": False}, "restored")


def history_of(connection: Connection, kind: str, uid: str) -> list[Revision]:
    """Every version of a thing, the newest first."""
    table = schema.revision
    rows = connection.execute(
        select(*(table.c[field.name] for field in fields(Revision)))
        .where(table.c.kind == kind, table.c.uid == uid)
        .order_by(table.c.version.desc(), table.c.revision_id.desc())
    )
    return [Revision(**row._mapping) for row in rows]


def row_of(record: Written) -> dict[str, Any]:
    """A record as the columns of its table."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def record_change(connection: Connection, kind: Kind, record: Any, action: Action) -> None:
    """Adds a thing as it is now to the history."""
    log_change(
        connection,
        kind=kind,
        uid=record.uid,
        version=record.version,
        action=action,
        author=record.changed_by,
        at=record.changed_at,
        model=getattr(record, "model", ""),
        sae=getattr(record, "sae", ""),
        feature_index=getattr(record, "feature_index", None),
        record=row_of(record),
    )


def log_change(connection: Connection, **values: Any) -> None:
    """One more line of the history, under the next number of the counter."""
    state = schema.notebook_state
    number = connection.execute(
        update(state).values(counter=state.c.counter + 1).returning(state.c.counter)
    ).scalar_one()
    connection.execute(insert(schema.revision).values(revision_id=number, **values))


def counter(connection: Connection) -> int:
    """How many changes there have been: unchanged, everything is."""
    return connection.execute(select(schema.notebook_state.c.counter)).scalar_one()
