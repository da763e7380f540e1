"""Several threads that each run the model: pieces of work in, results out in the same order.

Small matrices gain little from a second thread inside one operation, and much from a second pass
beside the first. So on the CPU every worker computes with one thread, on a twin of the model of its
own (hooks sit on modules, so two passes can't share them; weights are shared). A result depends on
its piece only, never on how many workers there are. On a GPU two workers take turns, each with a
stream of its own: while one copies, sorts or writes, the device computes for the other. Knows
nothing of what the pieces are.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

import torch

from app.precompute.model.model import Model

AnyModel = TypeVar("AnyModel", bound=Model)
Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Workers(Generic[AnyModel]):
    """A model and its twins."""

    def __init__(self, model: AnyModel, n_workers: int | None = None) -> None:
        """`n_workers`: by default as many as torch has threads; two on a GPU; else one. A model
        that must run one at a time gets one, with all of torch's threads."""
        self._device = model.device
        self._alone = model.one_at_a_time
        if self._alone:
            n_workers = 1
        if n_workers is None:
            own = {"cpu": torch.get_num_threads(), "cuda": 2}
            n_workers = own.get(self._device.type, 1)
        self._models = [model, *(model.twin() for _ in range(n_workers - 1))]

    def map(
        self, task: Callable[[AnyModel, Piece], Result], pieces: Iterable[Piece]
    ) -> Iterator[Result]:
        """`task(model, piece)` of every piece, in the order of the pieces, without gradients.

        At most one piece more than there are workers is ahead of what was taken, which bounds
        memory. The model that a task is given is its own while it runs. A task's error is raised
        where its result would have been; pieces not yet begun are then dropped.
        """
        idle: SimpleQueue[AnyModel] = SimpleQueue()
        for model in self._models:
            idle.put(model)

        def work(piece: Piece) -> Result:
            model = idle.get()
            try:
                with torch.no_grad():
                    return task(model, piece)
            finally:
                idle.put(model)

        pool = ThreadPoolExecutor(
            len(self._models),
            "worker",
            initializer=lambda: None if self._alone else _compute_alone(self._device),
        )
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


def _compute_alone(device: torch.device) -> None:
    """One thread inside every operation, or one stream; torch keeps either thread by thread."""
    if device.type == "cpu":
        torch.set_num_threads(1)
    elif device.type == "cuda":
        torch.cuda.synchronize(device)  # what the weights wait for on the first stream
        torch.cuda.set_stream(torch.cuda.Stream(device))
