"""Opens other tools' text files, plain or gzipped: by the line, or whole; and finds their folders.

Takes a path, gives bytes with the place they stand at. Nothing is read in one piece past a limit,
so that a damaged or hostile file can't fill memory. Every fault is an AtlasError naming file and
line. Knows nothing of what the bytes mean.
"""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from app.errors import AtlasError
from app.opening import require_file

MOST_AT_ONCE = 64 << 20
"""bytes of a line, or of a file that is read whole, unpacked; the longest known, features with
their decoder row, have about 0.2 MiB"""


@dataclass(frozen=True)
class Place:
    """Where something stands, for a sentence."""

    path: Path
    line: int | None = None
    """from 1"""
    part: str = ""
    """of the line or file ("feature 7")"""

    def inside(self, part: str) -> "Place":
        """A part of this one."""
        return replace(self, part=f"{self.part}, {part}" if self.part else part)

    def __str__(self) -> str:
        """Ends in a comma where more than the file is named, so that a verb can follow."""
        line = "" if self.line is None else f", line {self.line:,}"
        part = f", {self.part}" if self.part else ""
        return f"{self.path}{line}{part}{',' if line or part else ''}"


@contextmanager
def open_file(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, unpacked where its name ends in .gz.

    Raises:
        AtlasError: it is no file that can be read; an empty one that should be packed.
    """
    require_file(path)
    packed = path.suffix == ".gz"
    with faults_of(Place(path)):
        if packed and not path.stat().st_size:
            raise EOFError
        file = (gzip.open if packed else open)(path, "rb")
    with file:
        yield file  # type: ignore[misc]


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that aren't empty, with their numbers from 1."""
    number = 0
    with open_file(path) as file:
        while True:
            with faults_of(Place(path, number + 1)):
                line = file.readline(MOST_AT_ONCE + 1)
            if not line:
                return
            number += 1
            if len(line) > MOST_AT_ONCE:
                raise AtlasError(
                    f"{Place(path, number)} is longer than {MOST_AT_ONCE >> 20} MiB; no tool "
                    "writes such lines, so the file is damaged: download or write it again."
                )
            if line.strip():
                yield number, line


def read_whole(path: Path) -> bytes:
    """All of a small file, unpacked."""
    with open_file(path) as file, faults_of(Place(path)):
        content = file.read(MOST_AT_ONCE + 1)
    if len(content) > MOST_AT_ONCE:
        raise AtlasError(
            f"{path} has more than {MOST_AT_ONCE >> 20} MiB, expected less for one file."
        )
    return content


def unpack(packed: bytes, place: Place) -> bytes:
    """A gzip member's content; what follows it is padding."""
    stream = zlib.decompressobj(wbits=31)
    with faults_of(place):
        content = stream.decompress(packed, MOST_AT_ONCE)
        if not stream.eof and not stream.unconsumed_tail:
            raise EOFError
    if not stream.eof:
        raise AtlasError(f"{place} unpacks to more than {MOST_AT_ONCE >> 20} MiB.")
    return content


def folders_at(path: Path) -> Iterator[Path]:
    """The folder of a file; a folder and all below it, by name."""
    if path.is_file():
        yield path.parent
        return
    for root, names, _ in os.walk(path):
        names.sort()
        yield Path(root)


@contextmanager
def faults_of(place: Place) -> Iterator[None]:
    """What reading and unpacking may raise, as sentences that name the place."""
    try:
        yield
    except EOFError as error:
        raise AtlasError(f"{place} ends too early: download or write the file again.") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise AtlasError(f"{place} is no gzip file or is damaged; write it again.") from error
    except OSError as error:
        raise AtlasError(f"{place} can't be read ({error.strerror or error}).") from error
