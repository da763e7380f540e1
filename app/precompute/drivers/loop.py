"""The driver of one process: pieces side by side in threads.

Takes a run; pieces that need the model get a twin of it each, pieces that only count run in
compiled loops that let other threads run. What a piece gives does not depend on how many there are.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import torch

from app.precompute.drivers.driver import Outcome, Piece, Task, do
from app.precompute.drivers.interruption import Stop
from app.precompute.model.model import Model
from app.precompute.model.workers import Workers
from app.precompute.preparation import Run

Done = tuple[Piece, Outcome]


class Loop:
    """A `Driver` (see `driver.py`)."""

    def __init__(self, run: Run, stop: Stop) -> None:
        self._run = run
        self._stop = stop
        self._workers: Workers | None = None

    def map(self, task: Task, pieces: Iterable[Piece]) -> Iterator[Done]:
        """Every piece with its outcome, in the order of the pieces."""
        ways: dict[str, Callable[[Task, Iterable[Piece]], Iterator[Done]]] = {
            "model": self._with_twins,
            "machine": self._one_by_one,
            "events": self._counting,
        }
        with self._stop.finishing():
            yield from ways[task.needs](task, self._until_stopped(pieces))

    def _with_twins(self, task: Task, pieces: Iterable[Piece]) -> Iterator[Done]:
        def work(model: Model, piece: Piece) -> Done:
            return piece, do(task, replace(self._run, model=model), self._run.job, piece)

        if self._workers is None:
            self._workers = Workers(self._run.model)
        yield from self._workers.map(work, pieces)

    def _one_by_one(self, task: Task, pieces: Iterable[Piece]) -> Iterator[Done]:
        for piece in pieces:
            with torch.no_grad():
                outcome = do(task, self._run, self._run.job, piece)
            yield piece, outcome

    def _counting(self, task: Task, pieces: Iterable[Piece]) -> Iterator[Done]:
        job, n_workers = self._run.job, torch.get_num_threads()
        pool = ThreadPoolExecutor(n_workers, "counting")
        ahead: deque[tuple[Piece, Future[Outcome]]] = deque()
        try:
            for piece in pieces:
                ahead.append((piece, pool.submit(do, task, job, job, piece)))
                if len(ahead) > n_workers:
                    first, future = ahead.popleft()
                    yield first, future.result()
            while ahead:
                first, future = ahead.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _until_stopped(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            if self._stop.requested:
                return
            yield piece
