"""Which texts and which classes a pickle or torch file names, told without loading any of it.

Takes a path, gives sets of names. The opcodes are walked through and never carried out, so that a
format can be recognised before anything decides how to open it. What is no such file names nothing.
"""

import pickletools
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What reading a damaged file can raise.
DAMAGE = (
    *(ValueError, EOFError, OSError, KeyError, IndexError, OverflowError),
    MemoryError,  # a length that nothing stands behind
    *(zipfile.BadZipFile, zlib.error, struct.error),
    *(NotImplementedError, RuntimeError),  # an archive that is packed in an unknown way, or locked
)
#: Longest pickle that is walked through: it holds names, the numbers lie beside it.
MOST_BYTES = 2**26
#: A torch file of before 2020 is a row of pickles (magic, version, system, content, storage keys).
MOST_PICKLES = 5


@dataclass(frozen=True)
class PickledWords:
    """What stands in a pickle."""

    texts: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    """classes and functions it would import, as "module.name\""""


def pickled_words(path: Path) -> PickledWords:
    """The texts and classes a file names; nothing for a file that is no pickle or is damaged."""
    texts: set[str] = set()
    classes: set[str] = set()
    try:
        for text, is_class in _words(path):
            (classes if is_class else texts).add(text)
    except DAMAGE:
        # A damaged file names what was read so far; whoever opens it says what is wrong with it.
        return PickledWords(frozenset(texts), frozenset(classes))
    return PickledWords(frozenset(texts), frozenset(classes))


def _words(path: Path) -> Iterator[tuple[str, bool]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.filename.rpartition("/")[2] == "data.pkl" and (
                    entry.file_size <= MOST_BYTES
                ):
                    with archive.open(entry) as stream:
                        yield from _walk(stream)
        return
    with path.open("rb") as stream:
        for _ in range(MOST_PICKLES):
            yield from _walk(stream)


def _walk(stream: Any) -> Iterator[tuple[str, bool]]:
    """(text, whether it names a class) of the pickle at the place of an open binary file."""
    recent: list[str] = []
    for opcode, argument, position in pickletools.genops(stream):
        if opcode.name == "GLOBAL":
            yield str(argument).replace(" ", ".", 1), True
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(recent[-2:]), True
        elif isinstance(argument, str) and "UNICODE" in opcode.name:
            recent = [*recent[-1:], argument]
            yield argument, False
        if position is not None and position > MOST_BYTES:
            return
