"""What a person sees while the job runs: stages with rate and time left, and a summary at the end.

Everything goes to stderr. On a terminal long stages have a live bar; elsewhere (a log file) each
stage leaves one line when it ends. Knows no stage by name.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Reporter:
    """Prints sentences and stages; remembers how long each stage took."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._seconds: dict[str, float] = {}

    def say(self, sentence: str) -> None:
        """One line of text, printed as it is."""
        self.console.print(sentence, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        """A stage of `total` units; call what it yields with the units just done."""
        start = time.perf_counter()
        done = 0
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(unit),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(
            *columns, console=self.console, transient=True, disable=not self.console.is_terminal
        ) as progress:
            task = progress.add_task(name, total=total)

            def advance(n: int) -> None:
                nonlocal done
                done += n
                progress.advance(task, n)

            yield advance
        seconds = time.perf_counter() - start
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds
        self.say(f"{name}: {done:,} {unit} in {seconds:,.1f} s ({done / seconds:,.0f} {unit}/s)")

    def summary(self) -> None:
        """How the time was spent, stage by stage."""
        total = sum(self._seconds.values())
        parts = ", ".join(f"{name} {seconds:,.0f} s" for name, seconds in self._seconds.items())
        self.say(f"Done in {total:,.0f} s: {parts}.")


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self._unit}/s")
