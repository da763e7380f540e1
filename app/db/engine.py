"""Opening an atlas: read-only for the server, a fresh file for the writer.

An atlas is a build product. The server opens it immutable; a file of another schema version is
refused in a sentence that says what to run. Knows the schema's version and nothing of its tables.
"""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event

from app.db.schema import SCHEMA_VERSION
from app.errors import AtlasError


@dataclass(frozen=True)
class Atlas:
    """An open atlas: the engine of its connections and the identity of its content."""

    path: Path
    engine: Engine
    build_id: str
    """changes whenever the content may have; the base of every ETag"""
    meta: dict[str, object]

    def connect(self) -> Connection:
        """A read-only connection; close it, best in a `with`."""
        return self.engine.connect()

    def close(self) -> None:
        """Gives back every pooled connection."""
        self.engine.dispose()


def open_atlas(path: Path) -> Atlas:
    """Opens an atlas read-only.

    Raises:
        AtlasError: no such file, not an atlas, or an atlas of another schema version.
    """
    if not path.is_file():
        raise AtlasError(
            f"There is no atlas at {path}: make one with `feature-atlas precompute` or "
            "`feature-atlas demo`."
        )
    meta = read_meta(path)
    location = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1&uri=true"
    engine = create_engine(f"sqlite:///{location}", connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _prepare_reader)
    return Atlas(path, engine, str(meta["build_id"]), meta)


def read_meta(path: Path) -> dict[str, object]:
    """The key–value table of an atlas, its version checked.

    Raises:
        AtlasError: the file is not an atlas, or has another schema version.
    """
    try:
        connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
        try:
            rows = connection.execute("SELECT key, value FROM meta").fetchall()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise AtlasError(
            f"{path} is not an atlas ({error}): give a file written by `feature-atlas precompute`."
        ) from error
    try:
        # SQLite turns a JSON number in such a column into a number of its own.
        meta = {key: json.loads(str(value)) for key, value in rows}
    except ValueError as error:
        raise AtlasError(f"{path} is a damaged atlas: build it again.") from error
    if "build_id" not in meta:
        raise AtlasError(f"{path} is not a whole atlas: build it again.")
    if meta.get("schema_version") != SCHEMA_VERSION:
        raise AtlasError(
            f"{path} has atlas schema version {meta.get('schema_version')}, this program reads "
            f"version {SCHEMA_VERSION}: build it again with `feature-atlas precompute`."
        )
    return meta


def _prepare_reader(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA mmap_size = 1073741824")
    connection.execute("PRAGMA cache_size = -32000")
