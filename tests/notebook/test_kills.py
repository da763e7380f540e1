"""A writer killed at any moment leaves whole rows: each thing with its history, or neither."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from app.notebook import schema
from app.notebook.database import writing
from app.notebook.things import counter
from tests.notebook.conftest import OpenNotebook

ROOT = Path(__file__).resolve().parents[2]
N_KILLS = 8

_PROGRAM = """
import sys
from app.notebook import labels, lists
from app.notebook.database import open_notebook, writing
from app.notebook.records import Subject

notebook = open_notebook(sys.argv[1])
index = int(sys.argv[2])
while True:
    with writing(notebook) as connection:
        subject = Subject("tiny", "resid-1", index, "hash-a")
        label = labels.add_label(connection, subject, "Ada", f"label {index}")
        labels.choose_label(connection, label, 0, "Ada")
    print(index, flush=True)
    index += 1
"""


def test_a_killed_writer_leaves_whole_rows(place: str, opened: OpenNotebook) -> None:
    said: list[int] = []
    for attempt in range(N_KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, place, str(attempt * 100_000)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        said.append(int(process.stdout.readline()))
        time.sleep(0.013 * attempt)
        process.send_signal(signal.SIGKILL)
        said += [int(line) for line in process.stdout.read().splitlines(keepends=True)
                 if line.endswith(b"\n")]  # fmt: skip
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
    notebook = opened(place)
    with notebook.connect() as connection:
        written = {row.feature_index for row in connection.execute(schema.label.select())}
        chosen = {row.feature_index for row in connection.execute(schema.shown_label.select())}
        history = connection.execute(schema.revision.select()).all()
        assert set(said) <= written, "what was said to be saved is there"
        assert written == chosen
        assert len(history) == 2 * len(written) == counter(connection)
        assert {row.feature_index for row in history} == written
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    with writing(notebook):
        pass
