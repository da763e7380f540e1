"""The requests at hand, between the thread that listens and the one that computes.

First come, first served; bounded in time, and what nobody waits for any more is dropped. Knows
neither pipes nor models.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass, field

from app.live.limits import Limits, LiveError
from app.live.protocol import ActivationsAsked, Asked, TopAsked

GRACE_SECONDS = 10.0
"""Over its time, after which a request that heeds no pause costs the process its life."""


class Cancelled(Exception):
    """Whoever asked has gone away."""


@dataclass
class Work:
    """One request at hand."""

    id: int
    asked: Asked
    received: float = field(default_factory=time.monotonic)
    started: float | None = None
    cancelled: bool = False


class Desk:
    """The requests at hand, between the thread that listens and the one that computes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: deque[Work] = deque()
        self._running: dict[int, Work] = {}
        self._changed = threading.Condition()
        self._closed = False

    def put(self, work: Work) -> None:
        """A request more."""
        with self._changed:
            self._waiting.append(work)
            self._changed.notify()

    def cancel(self, request_id: int) -> None:
        """Whoever asked is gone: what waits is dropped, what runs stops at its next pause."""
        with self._changed:
            self._waiting = deque(work for work in self._waiting if work.id != request_id)
            if request_id in self._running:
                self._running[request_id].cancelled = True

    def close(self) -> None:
        """No more requests will come."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take(self) -> Work | None:
        """The next one, once there is one; None when no more will come."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            return self._start()

    def take_beside(self) -> Work | None:
        """The next one if it reads texts only and is there already."""
        with self._changed:
            if self._waiting and reads_only(self._waiting[0].asked):
                return self._start()
            return None

    def put_back(self, work: Work) -> None:
        """One that can't run yet; it stays the next."""
        with self._changed:
            del self._running[work.id]
            work.started = None
            self._waiting.appendleft(work)

    def done(self, works: list[Work]) -> None:
        """These are answered."""
        with self._changed:
            for work in works:
                self._running.pop(work.id, None)

    def pause(self, work: Work) -> None:
        """Called between two steps of a request: raises where it should end."""
        if work.cancelled:
            raise Cancelled
        assert work.started is not None
        if time.monotonic() - work.started > self._limits.seconds:
            raise LiveError(
                504,
                f"This takes the model longer than {self._limits.seconds:g} seconds: ask for less, "
                "or about a shorter text.",
            )

    def stuck(self) -> list[Work]:
        """What has run far over its time without a pause."""
        now = time.monotonic()
        with self._changed:
            return [
                work
                for work in self._running.values()
                if work.started is not None
                and now - work.started > self._limits.seconds + GRACE_SECONDS
            ]

    def _start(self) -> Work:
        work = self._waiting.popleft()
        work.started = time.monotonic()
        self._running[work.id] = work
        return work


def reads_only(asked: Asked) -> bool:
    """Whether it is answered by one pass over its text, which others can share."""
    return isinstance(asked, ActivationsAsked | TopAsked)
