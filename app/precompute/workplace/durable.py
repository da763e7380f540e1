"""Files that outlive a power cut, and how one sees later that they are still what was written.

Takes paths and bytes; gives files that are whole or absent, and *seals*: each file's size and
CRC-32 under its path. CRC-32 because the enemy is a flipped bit or a cut end, not a forger: it
misses one damaged file in four billion, needs no library, lets other threads run, and reads several
times faster than a disk writes, with special instructions or without. Knows nothing of what the
files hold.
"""

import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

Seals = Mapping[str, list[int]]
"""[bytes, CRC-32] of files, by their path below some folder, with slashes."""

_AT_ONCE = 1 << 22


def write(path: Path, data: bytes) -> None:
    """Puts a whole file in place; after a cut either an older one or the new one stands there.

    Raises:
        OSError: the disk is full or the folder can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def seal(root: Path, paths: Iterable[Path]) -> Seals:
    """Forces finished files to disk, and the folders between them and `root`; gives their seals."""
    seals: dict[str, list[int]] = {}
    folders: set[Path] = {root}
    for path in sorted(paths):
        with path.open("rb+") as file:
            os.fsync(file.fileno())
            seals[path.relative_to(root).as_posix()] = _sum(path)
        folders.update(parent for parent in path.parents if parent.is_relative_to(root))
    for folder in sorted(folders, reverse=True):
        sync_folder(folder)
    return seals


def damage(root: Path, seals: Seals) -> str | None:
    """What is wrong with the first file that is not what was sealed, as part of a sentence."""
    for name, (size, crc) in seals.items():
        path = root / name
        try:
            found = path.stat().st_size
            if found != size:
                return f"{name} has {found:,} bytes instead of {size:,}"
            if _sum(path) != [size, crc]:
                return f"{name} has another checksum than when it was written"
        except OSError as error:
            return f"{name} can't be read ({error.strerror})"
    return None


def sync_folder(folder: Path) -> None:
    """Forces a folder's entries to disk, where the system lets a folder be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sum(path: Path) -> list[int]:
    crc = size = 0
    with path.open("rb") as file:
        while block := file.read(_AT_ONCE):
            crc, size = zlib.crc32(block, crc), size + len(block)
    return [size, crc]
