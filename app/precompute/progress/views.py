"""Three ways to show a running job: a live bar, lines in a log, one JSON object a line.

A view is told what happens and decides what of it to write, all to stderr. A bar redraws itself; a
log gets a line when a stage ends and, of long ones, one every half minute; JSON has an object at
most every half second. Knows no stage by name.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from app.precompute.progress.figures import Figures, ended, peak_bytes, peak_device_bytes, sentence

JSON_INTERVAL = 0.5
LOG_INTERVAL = 30.0
"""Fewest seconds between two reports of progress."""

WARNING = "Warning: "


class View(Protocol):
    """Where everything goes."""

    def said(self, text: str) -> None:
        """A sentence; a warning begins with `WARNING`."""

    def started(self, figures: Figures) -> None:
        """A stage begins."""

    def advanced(self, figures: Figures) -> None:
        """Something of it is done."""

    def ended(self, figures: Figures, whole: bool) -> None:
        """It is over; `whole` says whether it came to its end."""

    def summary(self, lines: list[str], values: Mapping[str, Any]) -> None:
        """The closing summary, for people and for programs."""

    def failed(self, text: str) -> None:
        """A mistake ended the run."""


class Lines:
    """For a log file."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._last = 0.0

    def said(self, text: str) -> None:
        """See `View`."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def started(self, figures: Figures) -> None:
        """See `View`."""
        self._last = time.perf_counter()

    def advanced(self, figures: Figures) -> None:
        """See `View`."""
        now = time.perf_counter()
        if now - self._last >= LOG_INTERVAL and figures.done != figures.total:
            self._last = now
            self.said(f"{figures.name}: {sentence(figures)}")

    def ended(self, figures: Figures, whole: bool) -> None:
        """See `View`."""
        if whole:
            self.said(f"{figures.name}: {ended(figures)}")

    def summary(self, lines: list[str], values: Mapping[str, Any]) -> None:
        """See `View`."""
        for line in ["", *lines]:
            self.said(line)

    def failed(self, text: str) -> None:
        """See `View`."""
        self.said(f"Error: {text}")


class Bar(Lines):
    """For a terminal: the same, with a bar that moves instead of lines every half minute."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def started(self, figures: Figures) -> None:
        """See `View`."""
        columns = (TextColumn("{task.description}"), BarColumn(24), _Sentence(figures))
        self._progress = Progress(*columns, console=self.console, transient=True)
        self._task = self._progress.add_task(figures.name, total=figures.total)
        self._progress.start()

    def advanced(self, figures: Figures) -> None:
        """See `View`."""
        if self._progress is not None:
            self._progress.update(self._task, completed=figures.done)

    def ended(self, figures: Figures, whole: bool) -> None:
        """See `View`."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        super().ended(figures, whole)


class _Sentence(ProgressColumn):
    """The figures of a stage beside its bar."""

    def __init__(self, figures: Figures) -> None:
        super().__init__()
        self._figures = figures

    def render(self, task: Task) -> Text:
        """In one line, cut where the terminal ends."""
        return Text(sentence(self._figures.look()), no_wrap=True, overflow="ellipsis")


class Json:
    """For programs; docs/design.md lists the events."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._last = 0.0

    def said(self, text: str) -> None:
        """See `View`."""
        kind = "warning" if text.startswith(WARNING) else "said"
        self._write(kind, text=text.removeprefix(WARNING))

    def started(self, figures: Figures) -> None:
        """See `View`."""
        self._last = time.perf_counter()
        self._write(
            "stage started",
            stage=figures.name, total=figures.total, unit=figures.unit, tokens=figures.tokens,
        )  # fmt: skip

    def advanced(self, figures: Figures) -> None:
        """See `View`."""
        now = time.perf_counter()
        if now - self._last >= JSON_INTERVAL:
            self._last = now
            self._write("progress", **figures_of(figures), seconds_left=figures.seconds_left)

    def ended(self, figures: Figures, whole: bool) -> None:
        """See `View`."""
        self._write("stage ended", **figures_of(figures), whole=whole)

    def summary(self, lines: list[str], values: Mapping[str, Any]) -> None:
        """See `View`."""
        self._write("summary", **values)

    def failed(self, text: str) -> None:
        """See `View`."""
        self._write("error", text=text)

    def _write(self, event: str, **values: Any) -> None:
        values = {"event": event, "at": time.perf_counter() - self._began, **values}
        rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in values.items()}
        print(json.dumps(rounded, ensure_ascii=False), file=sys.stderr, flush=True)


def figures_of(figures: Figures) -> dict[str, Any]:
    """A stage's figures by name."""
    return {
        "stage": figures.name,
        "done": figures.done,
        "total": figures.total,
        "unit": figures.unit,
        "seconds": figures.seconds,
        "per_second": figures.per_second,
        "tokens_per_second": figures.tokens_per_second,
        "peak_bytes": peak_bytes(),
        "peak_device_bytes": peak_device_bytes(),
    }
