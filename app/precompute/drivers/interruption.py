"""How a run is stopped by hand: Ctrl-C or SIGTERM once, and again for at once.

The first signal lets pieces that are being done come to their end and be kept; where nothing of the
kind is going on it ends the run where it stands. The second ends the process. Knows no stage.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 130
"""as shells report a program ended by Ctrl-C"""


class Interrupted(KeyboardInterrupt):
    """The user stopped the run."""


class Stop:
    """Whether the user asked for an end."""

    def __init__(self) -> None:
        self.requested = False
        self.say: Callable[[str], None] = lambda _: None
        self._finishing = False

    @contextmanager
    def listening(self) -> Iterator["Stop"]:
        """Takes SIGINT and SIGTERM over, for as long as it lasts; in the main thread."""
        before = {
            which: signal.signal(which, self._receive) for which in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield self
        finally:
            for which, handler in before.items():
                signal.signal(which, handler)

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """While this lasts a signal is only noted; it is heeded at the end.

        Raises:
            Interrupted: on leaving, if an end was asked for.
        """
        self._finishing = True
        try:
            yield
        finally:
            self._finishing = False
        if self.requested:
            raise Interrupted

    def _receive(self, _signal: int, _frame: FrameType | None) -> None:
        if self.requested:
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h\n")  # a live bar hides the cursor
            os._exit(EXIT_CODE)
        self.requested = True
        if not self._finishing:
            raise Interrupted
        self.say("Stopping once the pieces that are running are done; again to stop at once.")
