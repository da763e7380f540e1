"""How one sees that finished files are still what was written: the *seals* of a run.

A seal is a file's size and CRC-32 under its path; giving it forces the file to disk. CRC-32 because
the enemy is a flipped bit or a cut end, not a forger: it misses one damaged file in four billion,
needs no library, lets other threads run, and reads several times faster than a disk writes, with
special instructions or without. Knows nothing of what the files hold.
"""

import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from app.durable import sync_file, sync_folder

Seals = Mapping[str, list[int]]
"""[bytes, CRC-32] of files, by their path below some folder, with slashes."""

_AT_ONCE = 1 << 22


def seal(root: Path, paths: Iterable[Path]) -> Seals:
    """Forces finished files to disk, and the folders between them and `root`; gives their seals."""
    seals: dict[str, list[int]] = {}
    folders: set[Path] = {root}
    for path in sorted(paths):
        sync_file(path)
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


def _sum(path: Path) -> list[int]:
    crc = size = 0
    with path.open("rb") as file:
        while block := file.read(_AT_ONCE):
            crc, size = zlib.crc32(block, crc), size + len(block)
    return [size, crc]
