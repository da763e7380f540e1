"""Numpy's files, read from any number of threads.

numpy reads a header with Python's own parser, and that of CPython 3.11 counts its depth once for
all threads: two headers at the same moment end in "AST constructor recursion depth mismatch". So
headers are read one after the other; the values of a mapped array are not.
"""

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

_one_header = Lock()


def mapped(path: Path) -> np.ndarray:
    """The array of a `.npy` file, read-only and mapped: a plain ndarray, because indexing
    np.memmap costs microseconds every time.

    Raises:
        OSError: the file can't be read.
        ValueError: it is no array of numbers.
    """
    try:
        with _one_header:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except EOFError as error:
        raise ValueError("it is empty") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise ValueError("it is an archive of arrays (.npz)")
    return np.asarray(array)


def archive(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an `.npz` file by name, in memory.

    Raises:
        OSError, BadZipFile, zlib.error: the file can't be read.
        ValueError: it is no archive of numbers.
    """
    # Opened here: numpy leaves a file open that turns out to be no archive.
    with path.open("rb") as stream:
        with _one_header:
            found = np.load(stream, allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise ValueError("it is one array (.npy)")
        with found as arrays:
            return {str(name): _member(arrays, name) for name in arrays.files}


def _member(arrays: Mapping[str, Any], name: str) -> np.ndarray:
    with _one_header:
        array = arrays[name]
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name} is no array")
    return array
