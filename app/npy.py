"""Numpy's files, read from any number of threads.

numpy reads a header with Python's own parser, and that of CPython 3.11 counts its depth once for
all threads: two headers at the same moment end in "AST constructor recursion depth mismatch". So
headers are read one after the other; the values of a mapped array are not.
"""

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.lib.format import open_memmap

_ZIP = b"PK\x03\x04"

_one_header = Lock()

_DAMAGED = (
    *(SyntaxError, TokenError, OverflowError, RecursionError),
    *(BadZipFile, NotImplementedError, zlib.error),
)
"""What numpy and zipfile raise besides, by which byte is wrong."""


def mapped(path: Path) -> np.ndarray:
    """The array of a `.npy` file, read-only and mapped: a plain ndarray, because indexing
    np.memmap costs microseconds every time.

    Raises:
        OSError: the file can't be read.
        ValueError: it is no array of numbers.
    """
    with path.open("rb") as stream:
        if stream.read(len(_ZIP)) == _ZIP:
            raise ValueError("it is an archive of arrays (.npz)")
    # Not np.load, which leaves a file open that begins as an archive and is none.
    with _damage_is_a_value_error(), _one_header:
        return np.asarray(open_memmap(path, mode="r"))


def archive(path: Path, *names: str) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` file by name, in memory: those named, or all.

    Raises:
        OSError: the file can't be read.
        ValueError: it is no archive of numbers.
        KeyError: it has no array of such a name.
    """
    # Opened here: numpy leaves a file open that turns out to be no archive.
    with _damage_is_a_value_error(), path.open("rb") as stream:
        with _one_header:
            found = np.load(stream, allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise ValueError("it is one array (.npy)")
        with found as arrays:
            return {str(name): _member(arrays, name) for name in names or arrays.files}


def _member(arrays: Mapping[str, Any], name: str) -> np.ndarray:
    with _one_header:
        array = arrays[name]
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name} is no array")
    return array


@contextmanager
def _damage_is_a_value_error() -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise ValueError("it is empty or ends too early") from error
    except _DAMAGED as error:
        raise ValueError(f"it is damaged: {error}") from error
