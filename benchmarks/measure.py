"""Time and memory of alternatives, so that they can be compared on a machine others use too.

`interleaved` lets ways to do one thing take turns in this process and gives the median of each:
what slows the machine down for a while slows all of them. `run_alone` runs a command in a process
of its own and watches the memory of it and of all its children. CPU seconds count children that
have ended. Knows nothing of what is measured; Linux only (memory is read from /proc).
"""

import os
import resource
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import AtlasError

SAMPLED_EVERY = 0.02
"""Seconds between two looks at the memory of a process."""


@dataclass(frozen=True)
class Cost:
    """Seconds of one piece of work."""

    cpu: float
    """user and system time, of all threads and ended children"""
    wall: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.cpu + other.cpu, self.wall + other.wall)


@dataclass(frozen=True)
class Run:
    """What a command in a process of its own cost."""

    cost: Cost
    peak_rss: int
    """bytes: the largest sum over the process and its children at one moment; pages they share,
    and pages of files they map, count in each"""
    peak_anonymous: int
    """bytes: the same without mapped files"""
    output: str
    """what it printed to stdout"""


def interleaved(
    ways: Mapping[str, Callable[[], Any]], rounds: int = 3, warm_up: bool = True
) -> dict[str, Cost]:
    """Medians over `rounds`, in each of which every way has one turn.

    With `warm_up` each runs once before, uncounted: what is loaded or allocated once is no cost.
    """
    if warm_up:
        for way in ways.values():
            way()
    turns: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            turns[name].append(cost_of(way))
    return {name: median(costs) for name, costs in turns.items()}


def begin() -> Callable[[], Cost]:
    """Starts to count; what it returns gives the cost since."""
    cpu, wall = _cpu_seconds(), time.perf_counter()
    return lambda: Cost(_cpu_seconds() - cpu, time.perf_counter() - wall)


def cost_of(way: Callable[[], Any]) -> Cost:
    """One turn."""
    cost = begin()
    way()
    return cost()


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each of the two numbers."""
    return Cost(
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.wall for cost in costs),
    )


def run_alone(
    command: Sequence[str | Path], cwd: Path | None = None, environment: Mapping[str, str] = {}
) -> Run:
    """Runs a command to its end, with `environment` added to this process' own.

    Raises:
        AtlasError: it failed; its last lines say why.
    """
    start = time.perf_counter()
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        watch = _Watch(process.pid)
        watch.start()
        errors: list[str] = []
        assert process.stdout is not None and process.stderr is not None
        lines = process.stderr
        reader = threading.Thread(target=lambda: errors.append(lines.read()))
        reader.start()
        output = process.stdout.read()
        reader.join()
        # wait4, unlike wait, also gives what the process and its ended children used
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        watch.stop()
    if process.returncode:
        last = "\n".join((output + errors[0]).strip().splitlines()[-15:])
        raise AtlasError(f"{command[0]} ended with exit code {process.returncode}:\n{last}")
    return Run(
        Cost(usage.ru_utime + usage.ru_stime, wall),
        watch.peak_rss,
        watch.peak_anonymous,
        output,
    )


def _cpu_seconds() -> float:
    own, ended = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


class _Watch(threading.Thread):
    """Looks at a process tree until told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_rss = self.peak_anonymous = 0
        self._pid = pid
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(SAMPLED_EVERY):
            rss = anonymous = 0
            for pid in _tree(self._pid):
                memory = _memory(pid)
                rss += memory.get("VmRSS", 0)
                anonymous += memory.get("RssAnon", 0)
                # A process' own peak is exact, also between two looks. (ru_maxrss is not: a child
                # inherits its parent's.)
                self.peak_rss = max(self.peak_rss, memory.get("VmHWM", 0))
            self.peak_rss = max(self.peak_rss, rss)
            self.peak_anonymous = max(self.peak_anonymous, anonymous)

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _tree(pid: int) -> list[int]:
    """A process and all that descend from it; none where it has ended."""
    found = [pid]
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        try:
            children = (thread / "children").read_text().split()
        except OSError:  # ended since
            continue
        for child in children:
            found += _tree(int(child))
    return found


def _memory(pid: int) -> dict[str, int]:
    """Bytes resident now, of them anonymous, most ever resident; none once it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return {}
    fields = (line.partition(":") for line in text.splitlines())
    return {
        name: int(value.split()[0]) * 1024
        for name, _, value in fields
        if name in ("VmRSS", "RssAnon", "VmHWM")
    }
