"""Request after request: the thread that computes.

Takes requests off the desk, those that can share a pass together, and sends an answer for each;
whatever goes wrong is a sentence, and the next request is served. Knows neither pipes nor HTTP.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from pydantic import BaseModel

from app.errors import AtlasError, out_of_memory
from app.live import ablating, reading, steering
from app.live.desk import Cancelled, Desk, Work, reads_only
from app.live.limits import Limits, LiveError
from app.live.loading import Held
from app.live.memory import free_memory
from app.live.protocol import AblationAsked, SteerAsked

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class Sender(Protocol):
    """Where answers go."""

    def answer(self, work: Work, answer: BaseModel) -> None: ...

    def refuse(self, request_id: int, error: LiveError) -> None: ...


class Answering:
    """Serves one desk."""

    def __init__(self, held: Held, limits: Limits, desk: Desk, out: Sender) -> None:
        self._held = held
        self._limits = limits
        self._desk = desk
        self._out = out

    def run(self) -> None:
        """Until no more requests come."""
        while (work := self._desk.take()) is not None:
            works = [work]
            try:
                if self._waited_too_long(work):
                    continue
                if reads_only(work.asked):
                    self._read(works)
                else:
                    self._one(work)
            finally:
                self._desk.done(works)

    def _waited_too_long(self, work: Work) -> bool:
        if time.monotonic() - work.received <= self._limits.wait_seconds:
            return False
        seconds = int(self._limits.wait_seconds)
        self._out.refuse(
            work.id, LiveError(503, "The model has too much to do: ask again later.", seconds)
        )
        return True

    def _one(self, work: Work) -> None:
        """A request with a pass of its own, or many."""
        pause = partial(self._desk.pause, work)
        if isinstance(work.asked, AblationAsked):
            task = partial(ablating.measure, work.asked, self._held, self._limits, pause)
        else:
            assert isinstance(work.asked, SteerAsked)
            task = partial(steering.steer, work.asked, self._held, self._limits, pause)
        self._guarded(work, task, lambda answer: self._out.answer(work, answer))

    def _read(self, works: list[Work]) -> None:
        """The first request, and all behind it that fit into the same pass."""
        batch: list[tuple[Work, reading.Prepared]] = []
        following: Work | None = works[0]
        while following is not None:
            prepared = self._prepared(following)
            if prepared is not None:
                if batch and not reading.fits([item for _, item in batch], prepared):
                    self._desk.put_back(following)
                    works.remove(following)
                    break
                batch.append((following, prepared))
            following = self._desk.take_beside()
            if following is not None:
                works.append(following)
        self._run(batch)

    def _prepared(self, work: Work) -> reading.Prepared | None:
        found: list[reading.Prepared] = []
        task = partial(reading.prepare, work.asked, self._held, self._limits)
        self._guarded(work, task, found.append)
        return found[0] if found else None

    def _run(self, batch: list[tuple[Work, reading.Prepared]]) -> None:
        """One pass; where it fails together, each by itself, so that none fails for another."""
        batch = [item for item in batch if not item[0].cancelled]
        if len(batch) > 1:
            try:
                answers = reading.run([prepared for _, prepared in batch])
            except Exception as error:
                log.warning("a pass over %d texts failed: %s", len(batch), error)
                free_memory(error)
            else:
                for (work, _), answer in zip(batch, answers, strict=True):
                    self._out.answer(work, answer)
                return
        for work, prepared in batch:
            self._guarded(
                work,
                partial(reading.run, [prepared]),
                lambda answers, work=work: self._out.answer(work, answers[0]),
            )

    def _guarded(
        self, work: Work, task: Callable[[], Result], give: Callable[[Result], object]
    ) -> None:
        """Gives what the task gives, or the sentence of what went wrong."""
        try:
            give(task())
        except Cancelled:
            pass
        except LiveError as error:
            self._out.refuse(work.id, error)
        except AtlasError as error:
            self._out.refuse(work.id, LiveError(400, str(error)))
        except Exception as error:
            if out_of_memory(error):
                free_memory(error)
                sentence = "The model ran out of memory: ask for less, or about a shorter text."
                self._out.refuse(work.id, LiveError(507, sentence))
            else:
                log.exception("request %d failed", work.id)
                sentence = "Something went wrong in the model's process; its log says what."
                self._out.refuse(work.id, LiveError(500, sentence))
