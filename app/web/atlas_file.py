"""The atlas a server shows, reopened whenever another file stands in its place.

An atlas is replaced by renaming a new file over it; every request looks at the file's identity
(inode, time, size) and goes on with the new one. What can't be opened is remembered as a sentence
until the file changes again. Knows nothing of the content.
"""

import threading
from pathlib import Path

from app.db.engine import Atlas, open_atlas
from app.errors import AtlasError

_Identity = tuple[int, int, int]


class AtlasFile:
    """Gives the open atlas at a path; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._identity: _Identity | None = None
        self._atlas: Atlas | AtlasError = AtlasError(f"There is no atlas at {path}.")

    def current(self) -> Atlas:
        """The atlas as it stands now.

        Raises:
            AtlasError: there is none, or it is of another schema version.
        """
        if self._identify() != self._identity:
            with self._lock:
                self._reopen()
        if isinstance(self._atlas, AtlasError):
            raise AtlasError(str(self._atlas))
        return self._atlas

    def close(self) -> None:
        """Gives the file back."""
        if isinstance(self._atlas, Atlas):
            self._atlas.close()

    def _reopen(self) -> None:
        # Taken before opening: a file replaced in between is noticed by the next request.
        identity = self._identify()
        if identity == self._identity and identity is not None:
            return
        self.close()
        try:
            self._atlas = open_atlas(self.path)
        except AtlasError as error:
            self._atlas = error
        self._identity = identity

    def _identify(self) -> _Identity | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
