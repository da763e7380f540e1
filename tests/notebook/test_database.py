"""A notebook opens on either database, is made by the first write, and fails in sentences."""

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, select, text, update

from app.notebook import database
from app.notebook.database import location, open_notebook, writing
from app.notebook.errors import NotebookError
from app.notebook.migrate import VERSION_TABLE, migrate, stored_version, versions
from app.notebook.schema import metadata, notebook_state
from tests.notebook.conftest import OpenNotebook

_COUNTER = select(notebook_state.c.counter)


def _count_up(notebook: Engine) -> None:
    with writing(notebook) as connection:
        connection.execute(update(notebook_state).values(counter=notebook_state.c.counter + 1))


def _counter(notebook: Engine) -> int:
    with notebook.connect() as connection:
        return connection.execute(_COUNTER).scalar_one()


def test_what_is_written_is_read_by_the_next_who_opens_it(place: str, opened: OpenNotebook) -> None:
    notebook = opened(place)
    assert _counter(notebook) == 0
    _count_up(notebook)
    assert _counter(notebook) == 1
    assert _counter(opened(place)) == 1


def test_migrations_leave_the_tables_the_queries_know(notebook: Engine) -> None:
    _count_up(notebook)
    with notebook.connect() as connection:
        assert stored_version(connection) == versions()[-1]
        found = inspect(connection)
        for table in metadata.sorted_tables:
            columns = {column["name"]: column for column in found.get_columns(table.name)}
            assert set(columns) == {column.name for column in table.columns}
            for column in table.columns:
                assert columns[column.name]["nullable"] == column.nullable, column
            indexes = {index["name"] for index in found.get_indexes(table.name)}
            assert indexes == {index.name for index in table.indexes}


def test_a_file_is_made_by_the_first_write_only(tmp_path: Path, opened: OpenNotebook) -> None:
    path = tmp_path / "notebook.db"
    notebook = opened(str(path))
    assert _counter(notebook) == 0
    assert not path.exists()
    with pytest.raises(NotebookError, match="can only be read"), notebook.begin() as connection:
        connection.execute(update(notebook_state).values(counter=7))
    _count_up(notebook)
    assert path.exists()
    assert location(notebook) == str(path)


def test_a_file_another_process_made_or_replaced_is_noticed(
    tmp_path: Path, opened: OpenNotebook
) -> None:
    path = tmp_path / "notebook.db"
    here, there = opened(str(path)), opened(str(path))
    assert _counter(here) == 0
    _count_up(there)
    assert _counter(here) == 1
    here.dispose()
    there.dispose()
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    assert _counter(here) == 0
    _count_up(here)
    assert _counter(here) == 1


def test_writers_take_turns(notebook: Engine) -> None:
    _count_up(notebook)

    def many() -> None:
        for _ in range(25):
            with writing(notebook) as connection:
                seen = connection.execute(_COUNTER).scalar_one()
                connection.execute(update(notebook_state).values(counter=seen + 1))

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _counter(notebook) == 101


def test_a_writer_that_waits_too_long_is_told_and_others_can_read(
    place: str, opened: OpenNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 1)
    notebook = opened(place)
    _count_up(notebook)
    with writing(notebook):
        with pytest.raises(NotebookError, match="written by somebody else"), writing(notebook):
            raise AssertionError("two writers at once")
        assert _counter(notebook) == 1
    _count_up(notebook)
    assert _counter(notebook) == 2


def test_a_failed_transaction_leaves_nothing(notebook: Engine) -> None:
    with pytest.raises(ZeroDivisionError), writing(notebook) as connection:
        connection.execute(update(notebook_state).values(counter=9))
        raise ZeroDivisionError
    assert _counter(notebook) == 0


def test_a_full_disk_is_a_sentence_and_loses_nothing(tmp_path: Path, opened: OpenNotebook) -> None:
    notebook = opened(str(tmp_path / "notebook.db"))
    _count_up(notebook)
    full = pytest.raises(NotebookError, match=r"disk .* full: nothing was saved")
    with full, writing(notebook) as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        connection.execute(update(notebook_state).values(counter=50))
        connection.exec_driver_sql("CREATE TABLE large AS SELECT zeroblob(1000000) AS x")
    notebook.dispose()
    assert _counter(notebook) == 1
    _count_up(notebook)
    assert _counter(notebook) == 2


def test_a_notebook_of_a_newer_program_is_refused(place: str, opened: OpenNotebook) -> None:
    notebook = opened(place)
    with writing(notebook) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(NotebookError, match=r"version 9999.*install the newer"):
        opened(place)


def test_what_is_no_notebook_is_left_alone(tmp_path: Path, postgres_place: str) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    connection.close()
    before = other.read_bytes()
    with pytest.raises(NotebookError, match=r"not a notebook.*birds"):
        open_notebook(str(other))
    # Opening turns on write-ahead logging, two bytes of the header; no table is touched.
    assert other.read_bytes()[100:] == before[100:]
    words = tmp_path / "words.txt"
    words.write_text("nothing of a database in here, only words\n" * 40)
    with pytest.raises(NotebookError, match="damaged or no notebook"):
        open_notebook(str(words))
    notebook = open_notebook(postgres_place)
    with notebook.begin() as connection:
        connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))
    notebook.dispose()
    with pytest.raises(NotebookError, match="not a notebook"):
        open_notebook(postgres_place)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("mysql://a:secret@b/c", "can't be kept in mysql"),
        ("sqlite://", "can't be kept in sqlite"),
        ("://", "can't be read"),
        ("/no/such/folder/notebook.db", "no folder /no/such/folder"),
        ("/", "is a folder"),
        ("postgresql://atlas:secret@127.0.0.1:1/none", "can't be reached"),
    ],
)
def test_an_address_that_leads_nowhere_is_a_sentence(place: str, sentence: str) -> None:
    with pytest.raises(NotebookError, match=sentence) as caught:
        open_notebook(place)
    assert "secret" not in str(caught.value)


def test_a_postgresql_server_that_came_back_is_used_again(
    postgres_place: str, opened: OpenNotebook
) -> None:
    notebook = opened(postgres_place)
    _count_up(notebook)
    other = opened(postgres_place)
    with other.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    assert _counter(notebook) == 1


def test_migrating_twice_at_once_is_migrating_once(place: str) -> None:
    problems: list[BaseException] = []

    def open_and_write() -> None:
        try:
            notebook = open_notebook(place)
            _count_up(notebook)
            notebook.dispose()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=open_and_write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    notebook = open_notebook(place)
    assert _counter(notebook) == 4
    notebook.dispose()


def test_the_steps_follow_one_another_without_a_gap() -> None:
    assert versions() == [f"{number:04}" for number in range(1, len(versions()) + 1)]


def test_migrating_again_changes_nothing(notebook: Engine) -> None:
    with writing(notebook) as connection:
        migrate(connection)
        assert stored_version(connection) == versions()[-1]
