"""Several threads that each run the model: pieces of work in, results out in the same order.

Small matrices gain little from a second thread inside one operation, and much from a second pass
beside the first. So on the CPU every worker computes with one thread, on a twin of the model of its
own (hooks sit on modules, so two passes can't share them; weights are shared). A result depends on
its piece only, never on how many workers there are. Knows nothing of what the pieces are.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

import torch

from app.precompute.model import LanguageModel

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Workers:
    """A model and its twins."""

    def __init__(self, model: LanguageModel, n_workers: int | None = None) -> None:
        """`n_workers`: by default as many as torch has threads; one on other devices."""
        self._on_cpu = model.device.type == "cpu"
        n_workers = n_workers or (torch.get_num_threads() if self._on_cpu else 1)
        self._models = [model, *(model.twin() for _ in range(n_workers - 1))]

    def map(
        self, task: Callable[[LanguageModel, Piece], Result], pieces: Iterable[Piece]
    ) -> Iterator[Result]:
        """`task(model, piece)` of every piece, in the order of the pieces, without gradients.

        At most one piece more than there are workers is ahead of what was taken, which bounds
        memory. The model that a task is given is its own while it runs. A task's error is raised
        where its result would have been; pieces not yet begun are then dropped.
        """
        idle: SimpleQueue[LanguageModel] = SimpleQueue()
        for model in self._models:
            idle.put(model)

        def work(piece: Piece) -> Result:
            model = idle.get()
            try:
                with torch.no_grad():
                    return task(model, piece)
            finally:
                idle.put(model)

        begin = _compute_alone if self._on_cpu else None
        pool = ThreadPoolExecutor(len(self._models), "worker", initializer=begin)
        ahead: deque[Future[Result]] = deque()
        try:
            for piece in pieces:
                ahead.append(pool.submit(work, piece))
                if len(ahead) > len(self._models):
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _compute_alone() -> None:
    """One thread inside every operation; torch keeps this count thread by thread."""
    torch.set_num_threads(1)
