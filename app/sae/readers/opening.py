"""Whether something may be opened at all, asked before anything is read of it.

Takes a path, gives a sentence or nothing. A pipe is never waited for and a device never read: only
regular files are, links followed. Knows no format.
"""

from pathlib import Path

from app.errors import AtlasError

#: What is there and neither a folder nor a file.
NO_FILE = "a pipe, a socket or a device"


def require_file(path: Path) -> None:
    """AtlasError unless there is a regular file that may be read.

    Raises:
        OSError: that can't be found out (`errors.unreadable` has the words).
    """
    if not path.exists():
        raise AtlasError(f"{path} is missing: the dictionary's format needs this file.")
    if not path.is_file():
        kind = "a folder" if path.is_dir() else NO_FILE
        raise AtlasError(f"{path} is {kind}, expected a regular file; nothing was read from it.")
    with path.open("rb"):
        pass


def needs_memory(path: Path) -> AtlasError:
    """The sentence for a file that says it holds more than there is room for."""
    return AtlasError(
        f"{path} needs more memory than this machine has left, or is damaged: compare its size "
        "with the original's, or read it on a larger machine."
    )
