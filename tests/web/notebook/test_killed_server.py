"""A server killed while people write: what it confirmed is there, whole, and nothing else is half.

The real command in a process of its own, over SQLite and PostgreSQL, with several clients that send
forms as fast as they are answered; SIGKILL at some moment; then the same notebook again.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from app.access.keys import create_key
from app.notebook import schema
from app.notebook.database import open_notebook
from app.notebook.things import counter
from tests.web.serving import Served

N_KILLS, N_CLIENTS = 3, 4
SAE = "/synthetic/resid-2-1k"


def _writer(url: str, key: str, first: int, confirmed: list[str], enough: threading.Event) -> None:
    """Labels, notes and list entries until nobody answers; keeps what was confirmed."""
    number = first
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}) as client:
        while True:
            form = {"text": f"text {number} " + "x" * 2_000, "remark": f"text {number}"}
            form["title"] = f"text {number}"
            what = ("notes", "lists")[number % 2]
            try:
                answer = client.post(f"{SAE}/{number % 60}/{what}", data=form)
            except httpx.HTTPError:
                return
            assert answer.status_code == 303, answer.text
            confirmed.append(f"text {number}")
            if len(confirmed) >= 8:
                enough.set()
            number += 1


@pytest.fixture(params=["sqlite", "postgresql"])
def notebook_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "notebook.db")
    else:
        yield request.getfixturevalue("postgres_place")


def _check(notebook: Engine, confirmed: list[str]) -> int:
    """All that was confirmed is there once; every thing has its history, which is counted."""
    with notebook.connect() as connection:
        notes = connection.execute(schema.note.select()).all()
        lists = connection.execute(schema.feature_list.select()).all()
        entries = connection.execute(schema.list_entry.select()).all()
        history = connection.execute(schema.revision.select()).all()
        written = [note.text.rpartition(" ")[0] for note in notes] + [one.title for one in lists]
        assert set(confirmed) <= set(written)
        assert len(set(written)) == len(written)
        assert all(note.text.endswith("x" * 2_000) for note in notes), "no text is cut"
        assert {one.uid for one in lists} == {entry.list_uid for entry in entries}
        uids = {row.uid for row in (*notes, *lists, *entries)}
        assert {one.uid for one in history} == uids
        assert len(history) == len(uids) == counter(connection)
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        return len(written)


def test_what_was_confirmed_is_there_and_nothing_half(
    atlas_path: Path, notebook_place: str
) -> None:
    notebook = open_notebook(notebook_place)
    _, key = create_key(notebook, "Ada", "write")
    confirmed: list[str] = []
    for attempt in range(N_KILLS):
        server = Served(atlas_path, "--notebook", notebook_place, "--requests-per-second", "0")
        enough = threading.Event()
        own: list[str] = []
        threads = [
            threading.Thread(
                target=_writer, args=(server.url, key, attempt * 10**6 + i * 10**4, own, enough)
            )
            for i in range(N_CLIENTS)
        ]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        server.kill()
        for thread in threads:
            thread.join(20)
        confirmed += own
        n_written = _check(notebook, confirmed)
        assert n_written <= len(confirmed) + N_CLIENTS * (attempt + 1), "none that nobody sent"
    assert len(confirmed) >= 8 * N_KILLS
    notebook.dispose()
