"""The driver of many processes: pieces go to Ray's workers, on this machine or on others.

A worker that needs the model has a GPU to itself where there are any, else a processor; one that
only counts has a processor. A place in a worker has one piece at a time and nothing waits in line
there, so memory stays flat and a lost worker costs only what it had in hand: Ray starts it again,
elsewhere if it must, and gives it the same piece. What a piece gives does not depend on who does
it. Knows no stage.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from app.errors import AtlasError
from app.hub.address import is_address
from app.precompute.drivers.driver import Outcome, Piece, Task
from app.precompute.drivers.interruption import Stop
from app.precompute.drivers.ray_cluster import Cluster
from app.precompute.drivers.ray_worker import Worker
from app.precompute.job import Job
from app.precompute.workplace.stage_recipes import program_versions

TRIES = 5
"""How often a piece is given out again after its worker was lost."""

PATIENCE = 60.0
"""Seconds without an outcome after which idle workers are let go, see `_Crew.let_go`."""

ON_GPU = 2
"""Pieces a GPU works on at once: while one copies or writes, the other computes."""

Done = tuple[Piece, Outcome]


class RayDriver:
    """A `Driver` (see `driver.py`)."""

    def __init__(self, cluster: Cluster, job: Job, stop: Stop) -> None:
        self._cluster = cluster
        self._stop = stop
        self._counting = _Crew(cluster.n_cpus, 1, self._starter(job, 1, num_cpus=1))
        self._modelling = (
            _Crew(cluster.n_gpus, ON_GPU, self._starter(job, ON_GPU, num_cpus=0, num_gpus=1))
            if cluster.n_gpus
            else self._counting
        )

    def map(self, task: Task, pieces: Iterable[Piece]) -> Iterator[Done]:
        """Every piece with its outcome, as they come."""
        crew = self._counting if task.needs == "events" else self._modelling
        # Without GPUs a piece for a machine takes all its threads, and who shares one isn't known.
        alone = max(self._cluster.n_gpus, 1)
        at_once = alone if task.needs == "machine" else crew.n_places
        with self._stop.finishing():
            yield from self._done(crew, task, pieces, at_once)

    def _done(
        self, crew: "_Crew", task: Task, pieces: Iterable[Piece], at_once: int
    ) -> Iterator[Done]:
        running: dict[Any, tuple[Piece, _Member]] = {}
        try:
            for piece in pieces:
                if len(running) == at_once:
                    yield self._next(crew, running)
                if self._stop.requested:
                    break
                member = crew.take()
                running[member.worker.do.remote(task, piece)] = piece, member
            while running:
                yield self._next(crew, running)
        except BaseException:  # nothing may still be written once the caller has given up
            crew.let_go(self._cluster.ray.kill)
            raise

    def _next(self, crew: "_Crew", running: dict[Any, tuple[Piece, "_Member"]]) -> Done:
        """Takes out the first that is done.

        Raises:
            AtlasError, OSError: as the task raised it; or its worker was lost too often.
        """
        ray = self._cluster.ray
        ready: list[Any] = []
        while not ready:
            ready, _ = ray.wait(list(running), timeout=PATIENCE)
            if not ready:
                crew.let_go(ray.kill, only_idle=True)
        piece, member = running.pop(ready[0])
        try:
            outcome = ray.get(ready[0])
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            if not isinstance(cause, AtlasError | OSError):  # a fault of ours: where was it?
                cause.add_note(str(error))
            raise cause from None
        except ray.exceptions.RayError as error:
            raise AtlasError(
                f"{', '.join(piece.stages)} {piece.name}: its worker was lost {TRIES + 1} times, "
                "perhaps for want of memory. What is finished is kept: the same command goes on."
            ) from error
        member.busy -= 1
        return piece, outcome

    def _starter(self, job: Job, side_by_side: int, **resources: int) -> Callable[[], Any]:
        """Starts a worker that asks Ray for so much."""
        actor = self._cluster.ray.remote(Worker).options(
            max_restarts=-1, max_task_retries=TRIES, max_concurrency=side_by_side, **resources
        )
        sent, threads = elsewhere(job, self._cluster.device), torch.get_num_threads()
        return lambda: actor.remote(sent, program_versions(), threads, side_by_side)


@dataclass(eq=False)
class _Member:
    worker: Any
    busy: int = 0
    """pieces it has in hand"""


class _Crew:
    """Workers of one kind, started when there is something to do and kept for further stages."""

    def __init__(self, n_workers: int, side_by_side: int, start: Callable[[], Any]) -> None:
        self.n_places = n_workers * side_by_side
        """pieces that all its workers have in hand at most"""
        self._n_workers = n_workers
        self._start = start
        self._members: list[_Member] = []

    def take(self) -> _Member:
        """One with a free place, a new one before one that is busy."""
        found = min(self._members, key=lambda member: member.busy, default=None)
        if found is None or (found.busy and len(self._members) < self._n_workers):
            found = _Member(self._start())
            self._members.append(found)
        found.busy += 1
        return found

    def let_go(self, kill: Callable[[Any], None], only_idle: bool = False) -> None:
        """Ends the workers, or only those with nothing in hand.

        A worker whose machine is gone can start again only where there is room, and at the end of
        a stage the room is taken by those that are done.
        """
        for member in [member for member in self._members if not (only_idle and member.busy)]:
            self._members.remove(member)
            kill(member.worker)


def elsewhere(job: Job, device: str) -> Job:
    """The job as a process in another folder reads it: paths absolute, the device its own."""
    settings = job.settings
    has_model = Path(settings.model).expanduser().exists()
    changes = {
        "model": _absolute(settings.model) if has_model else settings.model,
        "sae": [named if is_address(named) else _absolute(named) for named in settings.sae],
        "device": device,
    }
    return replace(job, settings=settings.model_copy(update=changes))


def _absolute(named: str) -> str:
    return str(Path(named).expanduser().absolute())
