"""What is seen while the job runs: stages with rate and time left, sentences, a summary at the end.

Keeps the figures of every stage and tells a view (see `views.py`) what happens. Everything
goes to stderr. Knows no stage by name.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from rich.console import Console

from app.precompute.progress.closing import Sizes, closing_lines, closing_values
from app.precompute.progress.figures import Figures
from app.precompute.progress.views import Bar, Json, Lines, View
from app.precompute.settings import ProgressKind

Advance = Callable[[int], None]


class Reporter:
    """Tells a view what happens; remembers the figures of each stage."""

    def __init__(
        self,
        console: Console | None = None,
        kind: ProgressKind = "auto",
        wording: Callable[[str], str] = str,
    ) -> None:
        """`kind`: "json", "plain" (lines), or "auto": a bar on a terminal, else lines.

        `wording`: how a sentence of the job is put to whoever started it.
        """
        console = console or Console(stderr=True, highlight=False)
        bar = kind == "auto" and console.is_terminal
        self._view: View = Json() if kind == "json" else (Bar if bar else Lines)(console)
        self._stages: dict[str, Figures] = {}
        self._bounds: dict[str, tuple[float, bool]] = {}
        self._began = time.perf_counter()
        self._wording = wording

    def say(self, sentence: str) -> None:
        """One line of text; one that begins with "Warning: " is a warning."""
        self._view.said(self._wording(sentence))

    def fail(self, sentence: str) -> None:
        """What ended the run."""
        self._view.failed(sentence)

    def bound(self, name: str, seconds: float, on_processor: bool) -> None:
        """What the model and the encoder alone take a token, against which a stage is held.

        `on_processor`: measured as the time of one thread, not as wall time.
        """
        self._bounds[name] = (seconds, on_processor)

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str, tokens: int = 0) -> Iterator[Advance]:
        """A stage of `total` units that stand for so many tokens of text.

        Call what it yields with the units just done, from any thread.
        """
        figures = Figures(name, total, unit, tokens)
        if name in self._bounds:
            figures.bound, figures.bound_on_processor = self._bounds[name]
        lock = Lock()

        def advance(n: int) -> None:
            with lock:
                figures.done += n
                self._view.advanced(figures.look())

        self._view.started(figures)
        whole = False
        try:
            yield advance
            whole = True
        finally:
            self._view.ended(figures.look(), whole)
        self._stages[name] = figures

    def summary(self, sizes: Sizes) -> None:
        """How the time was spent, stage by stage, and how large everything is."""
        seconds = time.perf_counter() - self._began
        stages = list(self._stages.values())
        self._view.summary(
            closing_lines(stages, seconds, sizes), closing_values(stages, seconds, sizes)
        )
