"""What may be opened as another tool's file: one that is there, whole on a disk, and may be read.

Knows no format.
"""

import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from app.errors import AtlasError


def check_file(path: Path) -> None:
    """Refuses what would fail or, as a pipe does, never end.

    Raises:
        AtlasError: it isn't there, is no ordinary file, or may not be read.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise AtlasError(f"{path} can't be opened ({reason}).") from error
    if not S_ISREG(mode):
        kind = "a folder" if S_ISDIR(mode) else "a pipe or a device"
        raise AtlasError(f"{path} is {kind}, expected a file.")
    if not os.access(path, os.R_OK):
        raise AtlasError(
            f"{path} may not be read by you: give yourself the permission (chmod u+r), or take a "
            "copy you may read."
        )
