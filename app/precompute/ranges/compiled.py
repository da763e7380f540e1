"""The decorator of every loop that is compiled: without Python's lock, kept on disk once compiled.

Compiled code is kept in a folder named by the hash of this package's sources: numba itself looks at
the file of the function only and would go on using what it inlined from another file before that
was edited. Knows nothing of what is compiled.
"""

import hashlib
import inspect
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from numba import config, njit

P = ParamSpec("P")
R = TypeVar("R")

_CONFIG: Any = config


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code, made at its first call for each combination of types."""
    asked = _CONFIG.CACHE_DIR
    _CONFIG.CACHE_DIR = _FOLDER
    try:
        # Tests wrap every function to check its shapes; numba needs the function itself.
        return njit(cache=True, nogil=True, error_model="numpy")(inspect.unwrap(function))
    finally:
        _CONFIG.CACHE_DIR = asked


def _folder() -> str:
    """Where compiled code is kept: beside the sources, else where the user may write."""
    here = Path(__file__).parent
    sources = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(here.glob("*.py"))))
    places = [_CONFIG.CACHE_DIR or here / "__pycache__", Path.home() / ".cache" / "feature-atlas"]
    for place in map(Path, places):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(place, os.W_OK):
            return str(place / f"ranges-{sources.hexdigest()[:12]}")
    return tempfile.mkdtemp(prefix="feature-atlas-")


_FOLDER = _folder()
