"""What is seen while features are explained: a bar on a terminal, else a line every half minute.

Takes features as they end, writes to stderr. Knows nothing of how they are explained.
"""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_SECONDS = 30.0


class Reporter:
    """Shows how far a run is; used inside `with`."""

    def __init__(self, n_features: int, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, markup=False)
        self._n_features, self._n_done, self._n_unanswered = n_features, 0, 0
        self._last = time.monotonic()
        self._bar = (
            Progress(
                TextColumn("explaining"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[said]}"),
                console=self._console,
            )
            if self._console.is_terminal
            else None
        )

    def __enter__(self) -> "Reporter":
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=self._n_features, said="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, sentence: str) -> None:
        """One line as it is."""
        self._console.print(sentence, soft_wrap=True)

    def ended(self, answered: bool, completion_tokens: int) -> None:
        """One more feature is over.

        Args:
            completion_tokens: of the whole run so far.
        """
        self._n_done += 1
        self._n_unanswered += not answered
        said = f"{self._n_unanswered:,} unanswered, {completion_tokens:,} completion tokens"
        if self._bar is not None:
            self._bar.update(self._task, completed=self._n_done, said=said)
        elif time.monotonic() - self._last >= LINE_SECONDS:
            self._last = time.monotonic()
            self.say(f"{self._n_done:,} of {self._n_features:,} features, {said}")
