"""A lock keeps others out for as long as its holder lives, and no longer."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from app.lock import Lock

HOLD = "import sys; from pathlib import Path; from app.lock import Lock; Lock(Path(sys.argv[1]))"


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "atlas.db.lock"
    held = Lock(path)
    with pytest.raises(BlockingIOError):
        Lock(path)
    held.release()
    assert not path.exists()
    Lock(path).release()


def test_a_killed_holder_keeps_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "atlas.db.lock"
    hold = f"{HOLD}; print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError):
            Lock(path)
        other.kill()
    assert path.exists()
    Lock(path).release()


def test_a_file_removed_while_it_is_locked_is_not_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "atlas.db.lock"
    flock = fcntl.flock

    def let_go_first(descriptor: int, operation: int) -> None:
        """What the holder before does between our opening the file and our locking it."""
        monkeypatch.setattr(fcntl, "flock", flock)
        path.unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", let_go_first)
    held = Lock(path)
    with pytest.raises(BlockingIOError):
        Lock(path)
    held.release()
