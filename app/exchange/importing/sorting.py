"""Sorts more lines than memory holds, by feature, through a temporary file.

Takes lines with their keys in any order, and gives them ascending, as often as asked. Lines wait
in a buffer; each time it is full it is sorted and written as one run, and reading merges the runs.
So memory is about two buffers whatever the number of lines, the disk is only read and written
forwards, and no order of the files is a bad one. (A temporary database would write everything
twice and page through its index; loading range by range would unpack every file once a range.)
Knows nothing of what the bytes mean.
"""

import heapq
import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from operator import itemgetter
from struct import Struct
from typing import IO

from app.errors import AtlasError

Key = tuple[int, int, int, int]
"""feature, table, file and line: lines of one feature and table stay in the files' order"""
Keyed = tuple[Key, bytes]

BUFFER = 32 << 20
"""bytes of lines sorted at once, and read ahead of a merge"""
_HEAD = Struct("<5Q")
_KEY = itemgetter(0)


class SortedLines:
    """The lines, sorted; their temporary file goes when this does."""

    def __init__(self, lines: Iterable[Keyed], buffer: int = BUFFER) -> None:
        self._buffer = buffer
        self._runs: list[tuple[int, int]] = []
        try:
            # Without a name: also a killed process leaves nothing behind.
            self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
            weakref.finalize(self, self._file.close)
            self._write_runs(lines)
            self._file.flush()
        except OSError as error:
            raise AtlasError(
                f"The folder for temporary files, {tempfile.gettempdir()}, can't be written "
                f"({error.strerror}); sorting needs as much room as the unpacked files: make room "
                "or set TMPDIR."
            ) from error

    def __iter__(self) -> Iterator[Keyed]:
        return heapq.merge(*(self._read(*run) for run in self._runs), key=_KEY)

    def _write_runs(self, lines: Iterable[Keyed]) -> None:
        waiting: list[Keyed] = []
        size = 0
        for keyed in lines:
            waiting.append(keyed)
            size += len(keyed[1])
            if size >= self._buffer:
                self._write(waiting)
                waiting, size = [], 0
        if waiting:
            self._write(waiting)

    def _write(self, waiting: list[Keyed]) -> None:
        waiting.sort(key=_KEY)
        start = self._file.tell()
        for key, content in waiting:
            self._file.write(_HEAD.pack(*key, len(content)))
            self._file.write(content)
        self._runs.append((start, self._file.tell()))

    def _read(self, start: int, stop: int) -> Iterator[Keyed]:
        """The lines of one run, read ahead by its part of a buffer."""
        ahead = max(self._buffer // len(self._runs), 1 << 14)
        held = b""
        at = 0
        while True:
            if len(held) - at < _HEAD.size:
                if start >= stop and at == len(held):
                    return
                held, at, start = self._more(held[at:], start, stop, ahead)
            *key, size = _HEAD.unpack_from(held, at)
            at += _HEAD.size
            if len(held) - at < size:
                missing = max(ahead, size - (len(held) - at))
                held, at, start = self._more(held[at:], start, stop, missing)
            yield (key[0], key[1], key[2], key[3]), held[at : at + size]
            at += size

    def _more(self, rest: bytes, start: int, stop: int, size: int) -> tuple[bytes, int, int]:
        more = os.pread(self._file.fileno(), min(size, stop - start), start)
        return rest + more, 0, start + len(more)
