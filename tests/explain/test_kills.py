"""A run that is killed or stopped at any moment goes on where it was and asks nothing twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from app.explain.source import Source
from app.notebook.database import open_notebook
from app.notebook.records import Label
from tests.explain.models import Knowing
from tests.explain.running import SETTINGS, labels, states
from tests.explain.stand_in import Answer, Body, StandIn, standing_in

ROOT = Path(__file__).resolve().parents[2]
FEATURES = [1, 2, 4, 7, 9]
_PROGRAM = "from app.cli import main; main()"


@pytest.fixture
def place(atlas: Path, tmp_path: Path) -> Path:
    """A copy of the atlas with its events and no notebook."""
    path = tmp_path / "atlas.db"
    shutil.copy(atlas, path)
    (tmp_path / "atlas.events").symlink_to(atlas.with_suffix(".events"))
    return path


class Killing:
    """A knowing model that has something done to the command at its nth question.

    The question in hand is answered afterwards, as a server would that knows nothing of it.
    """

    def __init__(self, model: Knowing, at: int, which: signal.Signals, seconds: float = 0) -> None:
        self.process: subprocess.Popen[str] | None = None
        self._model, self._at, self._which, self._seconds = model, at, which, seconds
        self._n = 0
        self._lock = threading.Lock()

    def __call__(self, body: Body) -> Answer:
        with self._lock:
            self._n += 1
            n = self._n
        if n == self._at:
            assert self.process is not None
            os.kill(self.process.pid, self._which)
        answer = self._model(body)
        answer.seconds = self._seconds if n >= self._at else 0
        return answer


def _start(place: Path, server: StandIn) -> "subprocess.Popen[str]":
    words = ["explain", str(place), "--endpoint", server.url, "--yes"]
    words += ["--features", ",".join(map(str, FEATURES)), "--concurrency", "3"]
    words += ["--explainer-model", "writer-1", "--scorer-model", "judge-1"]
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def _run(place: Path, server: StandIn, killing: Killing | None = None) -> tuple[int, str, str]:
    process = _start(place, server)
    if killing is not None:
        killing.process = process
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def _asked(server: StandIn) -> Counter[str]:
    return Counter(json.dumps(one.body, sort_keys=True) for one in server.seen)


def _kept(place: Path, source: Source) -> dict[int, Label]:
    notebook = open_notebook(str(place.with_suffix(".notebook.db")))
    try:
        with notebook.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        for feature, label in (found := labels(source, notebook)).items():
            assert states(source, notebook)[feature].label_uid == label.uid
        return found
    finally:
        notebook.dispose()


def _n_questions(place: Path, source: Source) -> int:
    """Of the whole run, from what it announces."""
    from app.explain.cost import estimate

    return estimate(source, SETTINGS, FEATURES, 500).n_requests


@pytest.mark.parametrize("at", [2, 17, 35])
def test_a_killed_run_goes_on(place: Path, source: Source, at: int) -> None:
    model = Knowing(source, SETTINGS, FEATURES)
    killing = Killing(model, at, signal.SIGKILL)
    with standing_in(killing) as server:
        code, _, _ = _run(place, server, killing)
        assert code == -signal.SIGKILL
        first = _asked(server)
        assert set(first.values()) == {1}
        if place.with_suffix(".notebook.db").exists():
            _kept(place, source)
        server.behaviour, server.seen = model, []
        code, out, _ = _run(place, server)
        assert (code, out.splitlines()[0].endswith("are done.")) == (0, True)
        second = _asked(server)
        assert set(second.values()) == {1}
        assert (first & second).total() <= 3, "only what was under way is asked for again"
        assert len(first | second) == _n_questions(place, source)
        server.seen = []
        code, _, err = _run(place, server)
        assert (code, server.seen) == (0, []) and "are done already." in err
    kept = _kept(place, source)
    assert {i: (label.text, label.score, label.version) for i, label in kept.items()} == {
        feature: (f"thing {feature}", 1.0, 1) for feature in FEATURES
    }


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_keeps_what_it_asked_for(
    place: Path, source: Source, which: signal.Signals
) -> None:
    model = Knowing(source, SETTINGS, FEATURES)
    killing = Killing(model, 12, which, seconds=0.4)
    with standing_in(killing) as server:
        code, out, err = _run(place, server, killing)
        assert code == 130
        assert "Stopping once what was asked is answered" in err
        assert "not begun or cut short" in out and "The same command goes on" in out
        first = _asked(server)
        assert first.total() <= 14, "nothing new was asked"
        server.behaviour, server.seen = model, []
        code, _, _ = _run(place, server)
        second = _asked(server)
    assert code == 0
    assert not first & second, "every answer that was waited for was kept"
    assert len(first | second) == _n_questions(place, source)
    assert sorted(_kept(place, source)) == FEATURES


def test_stopping_twice_is_at_once(place: Path, source: Source) -> None:
    model = Knowing(source, SETTINGS, FEATURES)
    killing = Killing(model, 5, signal.SIGINT, seconds=60)
    with standing_in(killing) as server:
        process = _start(place, server)
        killing.process = process
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("Stopping once"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 130 and "Traceback" not in err
        assert "features are done" in out
        server.behaviour, server.seen = model, []
        assert _run(place, server)[0] == 0
    assert sorted(_kept(place, source)) == FEATURES
