"""Tasks for workers that only count; a file of its own, as every worker imports it."""

import errno
import os
import signal

from app.errors import AtlasError
from app.precompute.drivers.driver import Task
from app.precompute.job import Job


def double(job: Job, number: int) -> int:
    """A result."""
    return 2 * number


def fail(job: Job, how: str) -> None:
    """An error: a user's, the system's, ours."""
    if how == "atlas":
        raise AtlasError("A sentence.")
    if how == "disk":
        raise OSError(errno.ENOSPC, "No space left on device")
    raise ValueError("a fault")


def die(job: Job, _: None) -> None:
    """No result, ever."""
    os.kill(os.getpid(), signal.SIGKILL)


DOUBLE, FAIL, DIE = (Task(work, "events") for work in (double, fail, die))
