"""The far end of Ray: a process that holds a job and does pieces of it.

Takes a job whose folder it can see, gives the seals of what it wrote. Reads the model when a piece
first needs it, and again in the process that takes a lost one's place. Knows nothing of Ray, and
imports no torch where it only counts.
"""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

from app.errors import AtlasError
from app.precompute.drivers.driver import Outcome, Piece, Task, do
from app.precompute.job import Job
from app.precompute.workplace.stage_recipes import program_versions


class Worker:
    """What Ray makes an actor of."""

    def __init__(
        self, job: Job, versions: Mapping[str, str], threads: int, side_by_side: int
    ) -> None:
        """`versions` and `threads` of torch: those where the job was started, as both show in the
        last digits. `side_by_side`: pieces done at once, each with a twin of the model.
        """
        self._job = job
        self._threads = threads
        self._versions = versions
        self._side_by_side = side_by_side
        self._lock = threading.Lock()
        self._run: Any = None
        self._idle: SimpleQueue[Any] = SimpleQueue()

    def do(self, task: Task, piece: Piece) -> Outcome:
        """Does a piece, one that needs the model with one thread inside every operation.

        Raises:
            AtlasError: this machine doesn't see the folder, or has other libraries; or as the task.
            OSError: as the task.
        """
        self._check()
        if task.needs == "events":
            return do(task, self._job, self._job, piece)
        import torch

        with self._equipped() as run, torch.no_grad():
            alone = task.needs == "model" and run.model.device.type == "cpu"
            torch.set_num_threads(1 if alone else self._threads)
            return do(task, run, self._job, piece)

    def _check(self) -> None:
        if not self._job.folder.is_dir():
            raise AtlasError(
                f"The worker on {socket.gethostname()} sees no folder {self._job.folder}: "
                "choose an --output on storage that all machines share."
            )
        own = program_versions()
        for name in sorted(own.keys() | self._versions.keys()):
            here, there = own.get(name, "none"), self._versions.get(name, "none")
            if here.split("+")[0] != there.split("+")[0]:  # behind it: for which kind of GPU
                raise AtlasError(
                    f"The worker on {socket.gethostname()} has {name} {here}, the job was started "
                    f"with {there}: install the same version on every machine."
                )

    @contextmanager
    def _equipped(self) -> Iterator[Any]:
        """The run, with a model that nobody else uses meanwhile, on a stream of its own."""
        with self._lock:
            if self._run is None:
                self._run = self._equip()
        model, stream = self._idle.get()
        try:
            with stream():
                yield replace(self._run, model=model)
        finally:
            self._idle.put((model, stream))

    def _equip(self) -> Any:
        import torch

        from app.precompute.preparation import equip

        torch.set_num_threads(self._threads)
        run = equip(self._job)
        models = [run.model, *(run.model.twin() for _ in range(self._side_by_side - 1))]
        on_gpu = run.model.device.type == "cuda"
        if on_gpu:
            torch.cuda.synchronize()  # what the weights wait for on the first stream
        for model in models:
            self._idle.put((model, _stream_of_its_own() if on_gpu else nullcontext))
        return run


def _stream_of_its_own() -> Any:
    """Gives, whenever it is called, a context in which the same new stream is used."""
    import torch

    stream = torch.cuda.Stream()

    def context() -> AbstractContextManager[Any]:
        return torch.cuda.stream(stream)

    return context
