"""The folder an export is written into: beside its place first, renamed when it is whole.

A list of every file stands in it (`.feature-atlas-export`, its first line says what was exported):
with it a later export of the same takes the place of this one, and of nothing else. Takes names and
bytes; knows no format.
"""

import gzip
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from app import durable
from app.errors import AtlasError, writing

LIST = ".feature-atlas-export"
GZIP_LEVEL = 6


class OutputFolder:
    """An export on its way. In a `with`: what was written is put in place when the block ends
    without an error, and is gone when it doesn't."""

    def __init__(self, place: Path, what: str) -> None:
        """Looks whether the place may be taken.

        Args:
            what: the format and what it is of; exports of the same may replace each other.

        Raises:
            AtlasError: a file, a folder with anything else in it, or one that can't be written.
        """
        # Resolved, as `.` and `..` have no folder of another name beside them.
        place = self.place = place.resolve()
        self.what = what
        self._partial = place.with_name(f"{place.name}.partial")
        self.n_files = self.n_bytes = 0
        with writing(self.place):
            _check(place, what)
            if self._partial.exists():
                _check_partial(self._partial)
                shutil.rmtree(self._partial)
            self._partial.mkdir(parents=True)
            self._list = (self._partial / LIST).open("w", encoding="utf-8", newline="\n")
            self._list.write(f"{what}\n")
            self._list.flush()

    def __enter__(self) -> "OutputFolder":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._list.close()
        if kind is not None:
            shutil.rmtree(self._partial, ignore_errors=True)
            return
        with writing(self.place):
            durable.sync_file(self._partial / LIST)
            self._take_place()

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A file to write into, from its first byte to its last."""
        path = self._partial / name
        with writing(self.place):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                self.n_bytes += file.tell()
            self.n_files += 1
            self._list.write(f"{name}\n")

    @contextmanager
    def open_gzip(self, name: str) -> Iterator[BinaryIO]:
        """The same, compressed; equal content gives equal bytes."""
        with (
            self.open(name) as file,
            gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as packed,
            io.BufferedWriter(packed, 1 << 16) as buffered,  # type: ignore[arg-type]
        ):
            yield buffered  # type: ignore[misc]

    def write(self, name: str, content: str | bytes) -> None:
        """A whole file."""
        with self.open(name) as file:
            file.write(content.encode() if isinstance(content, str) else content)

    def _take_place(self) -> None:
        """Renames; an earlier export steps aside and goes."""
        aside = self.place.with_name(f"{self.place.name}.replaced")
        if aside.exists():
            _check_partial(aside)
            shutil.rmtree(aside)
        if self.place.exists():
            os.replace(self.place, aside)
        os.replace(self._partial, self.place)
        durable.sync_folder(self.place.parent)
        shutil.rmtree(aside, ignore_errors=True)


def _check(place: Path, what: str) -> None:
    """Nothing there, an empty folder, or an earlier export of the same and only that."""
    if not place.exists():
        return
    if not place.is_dir():
        raise AtlasError(f"{place} is a file: give a folder for the export.")
    if not any(place.iterdir()):
        return
    found = _listed(place)
    if not found:
        raise AtlasError(
            f"{place} is not empty and holds no earlier export: give a new folder, so that nothing "
            "of yours is overwritten."
        )
    if found[0] != what:
        raise AtlasError(f"{place} holds another export ({found[0]}): give a new folder.")
    known = {LIST, *found[1:]}
    for path in place.rglob("*"):
        name = path.relative_to(place).as_posix()
        if not path.is_dir() and name not in known:
            raise AtlasError(
                f"{place} holds {name}, which no export wrote: move it, or give a new folder."
            )


def _check_partial(folder: Path) -> None:
    """What an interrupted export left, which may go."""
    if not folder.is_dir() or (any(folder.iterdir()) and not _listed(folder)):
        raise AtlasError(f"{folder} is in the way and of no export: move it.")


def _listed(folder: Path) -> list[str]:
    """The lines of the list; empty where there is none."""
    try:
        return (folder / LIST).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
