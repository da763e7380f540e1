"""The server's side: starts the process that owns the model, hands it requests, starts it again.

Takes paths and limits; `ask` gives a future of the answer. A process that dies is replaced, and
whoever waited for it gets a sentence. Free of torch; safe to share between threads. Knows no HTTP.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import app
from app.errors import AtlasError
from app.live.limits import Limits, LiveError
from app.live.protocol import Asked, Kind

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "app.live.process")
RESTARTS = 5
"""In `RESTART_SECONDS`; a process that dies more often stays down."""
RESTART_SECONDS = 300.0
END_SECONDS = 5.0


@dataclass(frozen=True)
class Start:
    """What the process loads."""

    atlas: Path
    model: str = ""
    """folder or hub name; empty takes what the recipe names"""
    saes: tuple[Path, ...] = ()
    """empty takes what the recipe names"""
    device: str = "auto"
    threads: int | None = None
    """of torch; by default all processors but one"""
    command: tuple[str, ...] = COMMAND


@dataclass(frozen=True)
class Pending:
    """An answer to come."""

    id: int
    future: "Future[dict[str, Any]]"
    """gives the answer's fields, or raises LiveError"""
    owner: "Owner"

    def cancel(self) -> None:
        """Nobody waits any more: the process drops it, and its place is free."""
        self.owner.cancel(self.id)


class Owner:
    """One model behind one server; made by `Owner.start`."""

    def __init__(self, start: Start, limits: Limits) -> None:
        self.limits = limits
        self.saes: dict[str, str] = {}
        """hash of every dictionary that is at hand, as the atlas stores it, by `model/sae`"""
        self._start = start
        self._lock = threading.Lock()
        self._ids = count(1)
        self._pending: dict[int, Pending] = {}
        self._process: subprocess.Popen[str] | None = None
        self._outbox: SimpleQueue[str | None] = SimpleQueue()
        self._closed = False
        self._down = ""
        """why there is no process, as a sentence; empty where there is one"""
        self._starts: list[float] = []

    @classmethod
    def start(cls, start: Start, limits: Limits | None = None) -> "Owner":
        """An owner whose process has loaded the model.

        Raises:
            AtlasError: the model or a dictionary is not at hand, or not the atlas' own.
        """
        owner = cls(start, limits or Limits())
        process = owner._spawn()
        threading.Thread(target=owner._keep, args=(process,), daemon=True).start()
        return owner

    def ask(self, kind: Kind, asked: Asked) -> Pending:
        """A request more; its future gives the answer's fields, or raises LiveError.

        Raises:
            LiveError: as many are at hand as may be, or there is no process.
        """
        with self._lock:
            if self._down:
                raise LiveError(503, self._down, 5)
            if len(self._pending) >= self.limits.waiting:
                raise LiveError(
                    429,
                    f"{len(self._pending):,} requests wait for the model already: ask again in a "
                    "few seconds.",
                    2,
                )
            pending = Pending(next(self._ids), Future(), self)
            self._pending[pending.id] = pending
            body = asked.model_dump(mode="json")
            self._send({"id": pending.id, "kind": kind, "body": body})
        return pending

    def cancel(self, request_id: int) -> None:
        """Forgets a request."""
        with self._lock:
            if self._pending.pop(request_id, None) is not None:
                self._send({"cancel": request_id})

    @property
    def n_pending(self) -> int:
        """Requests at hand."""
        return len(self._pending)

    @property
    def pid(self) -> int | None:
        """Of the process; None where there is none."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._closed = True
            self._down = "The server is ending."
            process = self._process
        if process is None:
            return
        self._outbox.put(None)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _spawn(self) -> "subprocess.Popen[str]":
        """A process that is ready. AtlasError with its sentence where it can't be."""
        package = str(Path(app.__file__).parent.parent)
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        process = subprocess.Popen(
            self._start.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            # Ctrl-C is the server's to hear. No session of its own: Linux would give that as much
            # of the processor as the server's, whatever its priority.
            process_group=0,
        )
        assert process.stdin is not None and process.stdout is not None
        given = {
            "atlas": str(self._start.atlas.resolve()),
            "model": self._start.model,
            "saes": [str(path) for path in self._start.saes],
            "device": self._start.device,
            "threads": self._start.threads,
            "limits": asdict(self.limits),
        }
        said: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            process.stdin.write(json.dumps(given) + "\n")
            process.stdin.flush()
            said = json.loads(process.stdout.readline())
        if not said.get("ready"):
            with suppress(OSError):
                process.stdin.close()
            process.stdout.close()
            process.wait()
            raise AtlasError(
                said.get("error")
                or f"The process that owns the model ended with code {process.returncode} before "
                "it was ready; what it wrote above says why."
            )
        outbox: SimpleQueue[str | None] = SimpleQueue()
        threading.Thread(target=_write, args=(process, outbox), daemon=True).start()
        with self._lock:
            self._process, self._outbox, self._down = process, outbox, ""
            self.saes = dict(said["saes"])
            self._starts.append(time.monotonic())
            closed = self._closed
        if closed:
            process.kill()
        return process

    def _keep(self, process: "subprocess.Popen[str]") -> None:
        """Hands answers on until the process ends, and starts the next one."""
        while True:
            assert process.stdout is not None and process.stdin is not None
            for line in process.stdout:
                self._receive(json.loads(line))
            process.stdout.close()
            process.wait()
            self._outbox.put(None)
            if not self._lost(process.returncode):
                return
            try:
                process = self._spawn()
            except AtlasError as error:
                log.error("%s", error)
                with self._lock:
                    self._down = "The process that owns the model can't be started again."
                return

    def _receive(self, message: dict[str, Any]) -> None:
        with self._lock:
            pending = self._pending.pop(message["id"], None)
        if pending is None:
            return  # cancelled meanwhile
        if "answer" in message:
            _settle(pending.future, message["answer"])
        else:
            error = LiveError(message["status"], message["error"], message.get("retry_after"))
            _settle(pending.future, error)

    def _lost(self, code: int) -> bool:
        """Tells all who wait; whether another process is to be started."""
        again = "The process that runs the model ended; it is being started again: ask once more."
        with self._lock:
            waiting, self._pending = list(self._pending.values()), {}
            self._process = None
            recent = [t for t in self._starts if time.monotonic() - t < RESTART_SECONDS]
            goes_on = not self._closed and len(recent) <= RESTARTS
            if not self._closed:
                log.error("the process that owns the model ended with code %d", code)
                self._down = (
                    again
                    if goes_on
                    else "The process that runs the model ends again and again: restart the server."
                )
        for pending in waiting:
            _settle(pending.future, LiveError(503, self._down or again, 5))
        return goes_on

    def _send(self, message: dict[str, Any]) -> None:
        """A line to the process, in the order of calls: the lock is held."""
        self._outbox.put(json.dumps(message, separators=(",", ":")) + "\n")


def _write(process: "subprocess.Popen[str]", outbox: "SimpleQueue[str | None]") -> None:
    """A thread of its own, so that nobody else waits where a pipe is full.

    A process that is gone is noticed where its answers are read.
    """
    assert process.stdin is not None
    with suppress(OSError, ValueError):
        while (line := outbox.get()) is not None:
            process.stdin.write(line)
            process.stdin.flush()
    with suppress(OSError, ValueError):
        process.stdin.close()


def _settle(future: "Future[dict[str, Any]]", outcome: dict[str, Any] | LiveError) -> None:
    """Nobody may wait any more."""
    with suppress(InvalidStateError):
        if isinstance(outcome, LiveError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
