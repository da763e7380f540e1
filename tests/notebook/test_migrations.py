"""A notebook of every earlier version opens, and what was written in it is still there."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, create_engine, insert, make_url, select

from app.notebook import labels
from app.notebook.database import open_notebook, writing
from app.notebook.migrate import VERSION_TABLE, migrate, stored_version, versions
from app.notebook.records import Subject

_VALUES: dict[str, Any] = {
    "INTEGER": 7, "VARCHAR": "words ‮ 😀", "TEXT": "line\nline", "BOOLEAN": False,
    "JSON": {"precision": 1 / 3, "list": [1, None]},
    "DOUBLE PRECISION": 0.1 + 0.2, "FLOAT": 0.1 + 0.2,
}  # fmt: skip


def _old_engine(place: str) -> Engine:
    """The bare database, as a program of that time had it."""
    if "://" not in place:
        return create_engine(f"sqlite:///{place}")
    return create_engine(make_url(place).set(drivername="postgresql+psycopg"))


def _rows(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table but that of the version."""
    found = MetaData()
    with engine.connect() as connection:
        found.reflect(connection)
        return {
            table.name: [dict(row._mapping) for row in connection.execute(select(table))]
            for table in found.sorted_tables
            if table.name != VERSION_TABLE
        }


def _fill(engine: Engine) -> None:
    """A row in every table there is, in every column, whatever the version has."""
    found = MetaData()
    with engine.begin() as connection:
        found.reflect(connection)
        for table in found.sorted_tables:
            if table.name == VERSION_TABLE:
                continue
            rows = connection.execute(select(table)).all()
            if not rows:
                values = {c.name: _VALUES[str(c.type).split("(")[0]] for c in table.columns}
                connection.execute(insert(table).values(**values))


@pytest.mark.parametrize("version", versions())
def test_an_old_notebook_opens_with_all_that_is_in_it(place: str, version: str) -> None:
    old = _old_engine(place)
    with old.begin() as connection:
        migrate(connection, version)
        assert stored_version(connection) == version
    _fill(old)
    before = _rows(old)
    assert before["label"] and before["note"] and before["revision"]
    old.dispose()
    notebook = open_notebook(place)
    try:
        with notebook.connect() as connection:
            assert stored_version(connection) == versions()[-1]
        after = _rows(notebook)
        for table, rows in before.items():
            kept = [{name: row[name] for name in rows[0]} for row in after[table]]
            assert kept == rows, table
        with writing(notebook) as connection:
            subject = Subject("tiny", "resid-1", 3, "hash")
            assert labels.add_label(connection, subject, "Ada", "new").version == 1
    finally:
        notebook.dispose()


def test_a_migration_that_is_cut_short_leaves_the_old_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "notebook.db")
    old = _old_engine(place)
    with old.begin() as connection:
        migrate(connection, "0001")
    _fill(old)
    before = _rows(old)
    notebook = open_notebook(str(tmp_path / "other.db"))
    notebook.dispose()

    class CutError(Exception):
        pass

    import app.notebook.database as database

    def cut(connection: Any) -> None:
        migrate(connection)
        raise CutError

    if len(versions()) == 1:
        pytest.fail("there is no second version to migrate to")
    monkeypatch.setattr(database, "_empty_image", lambda: b"")
    monkeypatch.setattr(database, "migrate", cut)
    with pytest.raises(CutError):
        open_notebook(place)
    assert _rows(old) == before
    with old.connect() as connection:
        assert stored_version(connection) == "0001"
    old.dispose()
