"""Opening a notebook: SQLite by default, PostgreSQL by URL, always at the newest version.

A SQLite notebook is made by the first write; until then, readers see an empty one. Every failure of
the database itself (locked, full, gone) is one sentence, a `NotebookError`. Knows no table by name
but the one that writers lock.
"""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    QueuePool,
    StaticPool,
    create_engine,
    event,
    make_url,
    select,
)
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, DisconnectionError, IntegrityError

from app import durable
from app.notebook.errors import NotebookError
from app.notebook.migrate import migrate
from app.notebook.schema import notebook_state

BUSY_SECONDS = 5
"""How long a writer waits for another one before it gives up with a sentence."""

_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}


def open_notebook(url: str) -> Engine:
    """An engine over the notebook at a path or a database URL, migrated if it exists.

    Raises:
        NotebookError: it can't be opened, is no notebook, or a newer program wrote it.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_file(Path(parsed.database or ""))
    engine = _engine(parsed)
    try:
        with engine.begin() as connection:
            migrate(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(notebook: Engine) -> Iterator[Connection]:
    """A transaction that is the only one to write; it holds as a whole or not at all.

    Raises:
        NotebookError: another writer takes too long, the disk is full, the database is gone.
    """
    make_file: Any = notebook.get_execution_options().get("make_file")
    if make_file is not None:
        make_file(notebook)
    with _transaction(notebook) as connection:
        connection.execute(select(notebook_state.c.counter).with_for_update())
        yield connection


@contextmanager
def _transaction(notebook: Engine) -> Iterator[Connection]:
    with notebook.connect() as connection:
        connection = connection.execution_options(notebook_writes=True)
        with connection.begin():
            yield connection


def location(notebook: Engine) -> str:
    """Where a notebook is, without its password."""
    found = notebook.get_execution_options().get("notebook_path")
    return str(found) if found else notebook.url.render_as_string(hide_password=True)


def _parse(url: str) -> URL:
    if "://" not in url:
        return URL.create("sqlite", database=url)
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except ArgumentError as error:
        raise NotebookError(
            "The notebook's address can't be read: give a path, or postgresql://user@host/database."
        ) from error
    if backend not in _DRIVERS or (backend == "sqlite" and not parsed.database):
        raise NotebookError(
            f"A notebook can't be kept in {parsed.drivername}: give a path to a file, or "
            "postgresql://user@host/database."
        )
    return parsed.set(drivername=_DRIVERS[backend])


def _engine(url: URL) -> Engine:
    try:
        engine = create_engine(
            url,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": BUSY_SECONDS,
                "options": f"-c lock_timeout={BUSY_SECONDS * 1000}",
            },
        )
    except ModuleNotFoundError as error:
        raise NotebookError(
            "A notebook in PostgreSQL needs psycopg, which is not installed: run "
            "`pip install 'feature-atlas[postgres]'`."
        ) from error
    event.listen(engine, "handle_error", _as_sentence)
    return engine


def _open_file(path: Path) -> Engine:
    if not path.parent.is_dir():
        raise NotebookError(f"There is no folder {path.parent} to keep a notebook in.")
    if path.is_dir():
        raise NotebookError(f"{path} is a folder: give --notebook the path of a file.")
    file = _File(path)
    engine = create_engine("sqlite://", creator=file.connect, poolclass=QueuePool, max_overflow=-1)
    engine.update_execution_options(make_file=file.make, notebook_path=path)
    event.listen(engine, "checkout", file.check)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", _as_sentence)
    if path.exists():
        try:
            file.make(engine)
        except BaseException:
            engine.dispose()
            raise
    return engine


class _File:
    """Connections to a SQLite file, or to an empty notebook in memory while there is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._migrated: tuple[int, int] | None = None
        self._empty = _empty_image()

    def connect(self) -> sqlite3.Connection:
        """Given to the pool; which file it was is kept to notice when another takes its place."""
        if self.identity() is None:
            connection = sqlite3.connect(":memory:", check_same_thread=False)
            connection.deserialize(self._empty)
            connection.execute("PRAGMA query_only = ON")
        else:
            connection = self._connect_to_file()
        connection.isolation_level = None  # transactions are begun by `_begin` alone
        return connection

    def _connect_to_file(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def check(self, connection: sqlite3.Connection, record: Any, _proxy: object) -> None:
        """Before a pooled connection is used again: it must be to the file that is there now."""
        identity = self.identity()
        if record.info.setdefault("file", identity) != identity:
            raise DisconnectionError("another file is there now")

    def make(self, engine: Engine) -> None:
        """The file, if there is none, and its migrations, if any are missing."""
        if self._migrated is not None and self.identity() == self._migrated:
            return
        try:
            if not self.path.exists():
                _put_new(self.path, self._empty)
        except OSError as error:
            raise NotebookError(
                f"The notebook {self.path.name} can't be written ({error.strerror})."
            ) from error
        with _transaction(engine) as connection:
            migrate(connection)
        self._migrated = self.identity()

    def identity(self) -> tuple[int, int] | None:
        """Of the file at the path; None where there is none."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino


def _put_new(path: Path, data: bytes) -> None:
    """A whole file at a path where there is none; one that somebody else puts there first stays.

    What readers saw before it was made is what is made: secrets drawn for it hold on.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        durable.sync_file(temporary)
        with suppress(FileExistsError):
            os.link(temporary, path)
        durable.sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _empty_image() -> bytes:
    """A notebook nobody has written in, as the bytes of its file."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        migrate(connection)
    raw = engine.raw_connection()
    try:
        return raw.driver_connection.serialize()  # type: ignore[union-attr]
    finally:
        raw.close()
        engine.dispose()


def _begin(connection: Connection) -> None:
    """A writer waits for its turn before it reads: otherwise what it read could be old."""
    writes = connection.get_execution_options().get("notebook_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _as_sentence(context: ExceptionContext) -> NotebookError | None:
    """A failure of the database as a sentence; broken constraints are the caller's."""
    if context.is_pre_ping or isinstance(context.sqlalchemy_exception, IntegrityError):
        return None  # after a failed ping the pool connects again
    said = str(context.original_exception).strip().lower()
    code = getattr(context.original_exception, "sqlstate", None) or ""
    if "locked" in said or "busy" in said or code == "55P03":
        sentence = (
            f"The notebook is being written by somebody else for more than {BUSY_SECONDS} seconds: "
            "nothing was saved, try again."
        )
    elif "disk is full" in said or code == "53100":
        sentence = "The disk of the notebook is full: nothing was saved. Make room and try again."
    elif "readonly" in said or "read-only" in said or code == "25006":
        sentence = "The notebook can only be read: nothing was saved."
    elif "not a database" in said or "malformed" in said:
        sentence = (
            "The notebook's file is damaged or no notebook: restore it from a copy or export."
        )
    elif code.startswith("28") or code == "3D000" or "connection" in said or code.startswith("08"):
        sentence = f"The notebook's database can't be reached ({_first_line(said)})."
    else:
        sentence = f"The notebook can't be read or written now ({_first_line(said)})."
    return NotebookError(sentence)


def _first_line(said: str) -> str:
    return said.splitlines()[0][:200] if said else "no reason given"
