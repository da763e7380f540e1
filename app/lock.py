"""One process at a time: a file that says by its lock, not by being there, that its place is taken.

The system gives the lock back when its process ends, however it ends, so nothing has to be cleared
away by hand. Knows nothing of what is guarded.
"""

import fcntl
import os
from pathlib import Path


class Lock:
    """An exclusive lock on the file `path`, which is made for it and removed when it is let go.

    Raises:
        BlockingIOError: another process, or another `Lock` of this one, holds it.
        OSError: the file can't be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        while True:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._descriptor)
                raise
            if self._stands():
                return
            os.close(self._descriptor)

    def _stands(self) -> bool:
        """Whether the file that was locked is still the one under the name: who held it before may
        have removed it in between."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Removes the file, if it is still there, and lets go."""
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
