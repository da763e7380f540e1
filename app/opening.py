"""Whether a file may be opened at all, asked before anything is read of it.

Takes a path, gives a sentence or nothing. A pipe is never waited for and a device never read: only
regular files are, links followed. Knows no format.
"""

from pathlib import Path
from stat import S_ISDIR, S_ISREG

from app.errors import AtlasError, unreadable

NO_FILE = "a pipe, a socket or a device"
"""What is there and neither a folder nor a file."""


def require_file(path: Path) -> None:
    """Refuses what would fail or, as a pipe does, never end.

    Raises:
        AtlasError: it isn't there, is no regular file, or may not be read.
    """
    try:
        mode = path.stat().st_mode
        if S_ISREG(mode):
            path.open("rb").close()
            return
    except FileNotFoundError as error:
        raise AtlasError(
            f"{path} is missing, and what lies beside it needs it: copy or download it again."
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:  # a NUL in its name
        raise AtlasError(f"{path} can be no file ({error}): give another path.") from error
    kind = "a folder" if S_ISDIR(mode) else NO_FILE
    raise AtlasError(f"{path} is {kind}, expected a regular file; nothing was read from it.")
