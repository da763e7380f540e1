"""Files that outlive a power cut: whole under their name, or not there at all.

A file is written under another name, forced to disk, renamed, and its folder forced to disk; after
a cut at any moment either what stood there before or the new one stands there. Knows nothing of
what the files hold.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write into, put in place of `path` when the block ends without an error.

    Raises:
        OSError: the disk is full or the folder can't be written; what stood there still does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
        put(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write(path: Path, data: bytes) -> None:
    """Puts a whole file in place.

    Raises:
        OSError: as `replacing`.
    """
    with replacing(path) as file:
        file.write(data)


def put(finished: Path, path: Path) -> None:
    """Forces a file, or a folder of files, to disk and renames it to `path`, over an older one.

    Of folders the older one is gone for a moment before the new one stands there.

    Raises:
        OSError: as the system says.
    """
    if finished.is_dir():
        for inside in finished.iterdir():
            sync_file(inside)
        sync_folder(finished)
        if path.exists():
            shutil.rmtree(path)
    else:
        sync_file(finished)
    os.replace(finished, path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Forces what was written to a file to disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Forces a folder's entries to disk, where the system lets a folder be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
