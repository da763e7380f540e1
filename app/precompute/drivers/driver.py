"""Stages as lists of pieces, and what a driver is: something that gets pieces done.

A *piece* is a part of a stage that is done at once, by anyone, in any order, as often as needed: it
has a name, and everything its work wants to know beyond what is at hand everywhere. A *task* is a
function `(at hand, piece's matter) -> result`, named by its module, so that it can be sent to other
processes. A *driver* maps a task over pieces. There are two: a plain loop in this process
(`loop.py`) and Ray; both call `do`, which leaves the result on shared storage and gives only its
seals.

What is at hand: a `Job` for tasks that count, a `Run` (the job with model, dictionaries and corpus
loaded) for tasks that need the model. Knows no stage and imports no torch.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from app.precompute.job import Job
from app.precompute.workplace import result_file
from app.precompute.workplace.seals import Seals, seal


@dataclass(frozen=True)
class Piece:
    """A part of a stage. Picklable."""

    stages: tuple[str, ...]
    """the stages it belongs to: one, or one for each dictionary where one pass serves several"""
    name: str
    """unique in its stages, fit for a file name"""
    units: int
    """how much of the stage it is, for progress"""
    matter: Any = None
    """what the task works on"""


@dataclass(frozen=True)
class Task:
    """What is done with each piece. Picklable."""

    work: Callable[[Any, Any], Any]
    """a function of a module: (`Run` or `Job`, the piece's matter) -> a value `result_file` keeps,
    or `Written`"""
    needs: Literal["model", "machine", "events"]
    """"model": is given a `Run` with a model of its own, and computes with one thread; "machine":
    the same, with all threads, one piece at a time (under Ray one a GPU); "events": is given a
    `Job`"""


@dataclass(frozen=True)
class Written:
    """The result of work that writes its own files: them, by stage."""

    files: Mapping[str, Sequence[Path]]


Outcome = Mapping[str, Seals]
"""The seals of a piece's files, by stage; they are on disk."""


@runtime_checkable
class Driver(Protocol):
    """Gets pieces done."""

    def map(self, task: Task, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, Outcome]]:
        """Every piece with its outcome, in any order, each as soon as it is done.

        A piece may be done more than once (a lost worker); its last outcome counts, and as results
        are functions of the piece, all are the same.

        Raises:
            Interrupted: the user stopped the run; pieces that were running have come out before.
            AtlasError, OSError: as the task raised it.
        """
        ...


def do(task: Task, at_hand: Any, job: Job, piece: Piece) -> Outcome:
    """Does one piece, wherever the worker is, and leaves its result durably in the workplace."""
    found = task.work(at_hand, piece.matter)
    if isinstance(found, Written):
        return {stage: seal(job.folder, paths) for stage, paths in found.files.items()}
    (stage,) = piece.stages
    path = job.result(stage, piece.name)
    result_file.save(path, found)
    return {stage: seal(job.folder, [path])}
