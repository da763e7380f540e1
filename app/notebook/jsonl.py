"""A notebook as JSON lines: everything in it, its history included, and back.

One object a line, each with its `kind`; the first line names the format. What was exported comes
back identical, and a second import of it changes nothing. Lines written elsewhere need no more than
a feature and a `text`: they become labels with their source (`foreign.py`). Takes connections and
lines; knows no file.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from types import NoneType
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update

from app.notebook import schema
from app.notebook.errors import NotAllowed
from app.notebook.foreign import FindHash, is_foreign, label_from_elsewhere
from app.notebook.plausible import check_fields
from app.notebook.records import Kind, Label, Star
from app.notebook.things import RECORDS, TABLES, log_change, record_change, row_of

FORMAT = {"kind": "notebook", "format": 1}

_SHOWN = [column.name for column in schema.shown_label.columns]
_REVISION = [column.name for column in schema.revision.columns if column.name != "revision_id"]
_KEPT_REVISION = ("kind", "uid", "version", "action", "author", "at")
"""What tells one change from all others"""

_TYPES: Mapping[Any, tuple[type, ...]] = {
    str: (str,), int: (int,), bool: (bool,), float | None: (float, int, NoneType),
}  # fmt: skip


@dataclass
class Imported:
    """What an import did."""

    n_new: int = 0
    n_newer: int = 0
    """things here that the file goes on from"""
    n_same: int = 0
    n_differing: int = 0
    """things changed both here and there: those here stay"""


def export_lines(connection: Connection) -> Iterator[str]:
    """Every line, in an order that the content alone decides."""
    yield _line(FORMAT)
    for kind, table in TABLES.items():
        for row in connection.execute(select(table).order_by(table.c.uid)):
            yield _line({"kind": kind, **row._mapping})
    for name, table in (("shown", schema.shown_label), ("star", schema.star)):
        for row in connection.execute(select(table).order_by(*table.primary_key)):
            yield _line({"kind": name, **row._mapping})
    revision = schema.revision
    query = select(*(revision.c[name] for name in _REVISION)).order_by(revision.c.revision_id)
    for row in connection.execute(query):
        values = dict(row._mapping)
        yield _line({"kind": "revision", "of": values.pop("kind"), **values})


def import_lines(
    connection: Connection, lines: Iterable[str], source: str, find_hash: FindHash
) -> Imported:
    """Writes what lines say, inside a writing transaction: all of it or, after an error, nothing.

    Args:
        source: where labels written elsewhere come from, for lines that don't say.
        find_hash: from an address to the dictionary's weights hash, for lines without one.

    Raises:
        NotAllowed: a line can't be read; the sentence has its number.
    """
    importer = _Importer(connection, source, find_hash)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            importer.take(_object(line))
        except (NotAllowed, TypeError, KeyError, ValueError) as error:
            raise NotAllowed(f"Line {number} can't be imported: {_said(error)}") from error
    return importer.finish()


class _Importer:
    """What is here already, and what the file says so far."""

    def __init__(self, connection: Connection, source: str, find_hash: FindHash) -> None:
        self._connection = connection
        self._source = source
        self._find_hash = find_hash
        self._done = Imported()
        self._revisions: list[dict[str, Any]] = []
        self._things: list[tuple[Kind, Any]] = []
        self._keyed: list[tuple[Table, dict[str, Any]]] = []

    def take(self, value: dict[str, Any]) -> None:
        """One line; things wait for their history, which stands behind them in the file."""
        kind = value.pop("kind", "label")
        if kind == "notebook":
            if value.get("format") != FORMAT["format"]:
                raise NotAllowed(f"its format is {value.get('format')!r}, this program reads 1.")
        elif kind == "revision":
            known = {**value, "kind": value.pop("of")}
            known.pop("of", None)
            revision = {name: known[name] for name in _REVISION}
            check_fields("revision", revision)
            self._revisions.append(revision)
        elif kind == "shown":
            shown = {name: value[name] for name in _SHOWN}
            check_fields("shown", shown)
            self._keyed.append((schema.shown_label, shown))
        elif kind == "star":
            star = asdict(_record(Star, value))
            check_fields("star", star)
            self._keyed.append((schema.star, star))
        elif kind == "label" and is_foreign(value):
            label = label_from_elsewhere(value, self._source, self._find_hash)
            self._add_foreign(label)
        elif kind in RECORDS:
            record = _record(RECORDS[kind], value)
            check_fields(kind, vars(record))
            self._things.append((kind, record))
        else:
            raise NotAllowed(f"there is no kind {str(kind)[:40]!r}.")

    def finish(self) -> Imported:
        """Writes what waited."""
        known = self._known_revisions()
        in_file = {_key(revision) for revision in self._revisions}
        for kind, record in self._things:
            self._add_thing(kind, record, in_file)
        for table, values in self._keyed:
            self._add_keyed(table, values, in_file)
        for revision in self._revisions:
            if _key(revision) not in known:
                log_change(self._connection, **revision)
        return self._done

    def _known_revisions(self) -> set[tuple[Any, ...]]:
        table = schema.revision
        rows = self._connection.execute(select(*(table.c[name] for name in _KEPT_REVISION)))
        return {tuple(row) for row in rows}

    def _add_foreign(self, label: Label) -> None:
        table = TABLES["label"]
        query = select(table.c.uid).where(table.c.uid == label.uid)
        if self._connection.execute(query).first() is not None:
            self._done.n_same += 1
            return
        self._connection.execute(insert(table).values(**row_of(label)))
        record_change(self._connection, "label", label, "imported")
        self._done.n_new += 1

    def _add_thing(self, kind: Kind, record: Any, in_file: set[tuple[Any, ...]]) -> None:
        table = TABLES[kind]
        row = self._connection.execute(select(table).where(table.c.uid == record.uid)).one_or_none()
        if row is None:
            self._refuse_taken(kind, record)
            self._connection.execute(insert(table).values(**row_of(record)))
            self._done.n_new += 1
            return
        here = RECORDS[kind](**row._mapping)
        if here == record:
            self._done.n_same += 1
        elif _goes_on(kind, here, record, in_file):
            self._connection.execute(
                update(table).where(table.c.uid == record.uid).values(**row_of(record))
            )
            self._done.n_newer += 1
        else:
            self._done.n_differing += 1

    def _refuse_taken(self, kind: Kind, record: Any) -> None:
        if kind == "list":
            table = TABLES["list"]
            query = select(table.c.uid).where(table.c.slug == record.slug)
            if self._connection.execute(query).first() is not None:
                raise NotAllowed(
                    f"there is another list at /-/lists/{record.slug} here; nothing was imported."
                )

    def _add_keyed(
        self, table: Table, values: dict[str, Any], in_file: set[tuple[Any, ...]]
    ) -> None:
        """A star or a choice: the file's where there is none, or where it goes on from it."""
        about = [column == values[column.name] for column in table.primary_key]
        row = self._connection.execute(select(table).where(*about)).one_or_none()
        if row is None:
            self._connection.execute(insert(table).values(**values))
            self._done.n_new += 1
        elif dict(row._mapping) == values:
            self._done.n_same += 1
        elif table is schema.shown_label and _choice_goes_on(row, values, in_file):
            self._connection.execute(update(table).where(*about).values(**values))
            self._done.n_newer += 1
        else:
            self._done.n_differing += 1


def _goes_on(kind: Kind, here: Any, there: Any, in_file: set[tuple[Any, ...]]) -> bool:
    """Whether the file's history holds the version that is here, and a later one."""
    return there.version > here.version and any(
        key[:3] == (kind, here.uid, here.version) and key[5] == here.changed_at for key in in_file
    )


def _choice_goes_on(here: Any, there: dict[str, Any], in_file: set[tuple[Any, ...]]) -> bool:
    uid = f"{here.model}/{here.sae}/{here.feature_index}"
    key = ("shown", uid, here.version, "changed", here.changed_by, here.changed_at)
    return there["version"] > here.version and key in in_file


def _record(kind: type[Any], value: dict[str, Any]) -> Any:
    """A line as its record, every field of the type it is declared with."""
    record = kind(**value)
    for field in fields(record):
        held = getattr(record, field.name)
        wanted = _TYPES.get(field.type, (Mapping,))
        if not isinstance(held, wanted) or (isinstance(held, bool) and bool not in wanted):
            raise NotAllowed(f"its {field.name} is {type(held).__name__}.")
    return record


def _key(revision: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(revision[name] for name in _KEPT_REVISION)


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _object(line: str) -> dict[str, Any]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise NotAllowed("it is no JSON object.")
    return value


def _said(error: Exception) -> str:
    if isinstance(error, NotAllowed):
        return str(error)
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}."
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON ({error.msg})."
    return f"its fields are not those of its kind ({str(error)[:120]})."
