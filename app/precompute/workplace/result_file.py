"""What a piece of a stage found, as one file: plain values, numpy arrays, this program's records.

Takes and gives Python values. Written with pickle, which is as fast as the arrays are large; read
by an unpickler that knows numpy's arrays and the dataclasses of this program and nothing else, so
that a file put there by somebody else can't run anything. Knows no stage.
"""

import io
import pickle
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from app import durable

_NUMPY = {
    *(("numpy", "ndarray"), ("numpy", "dtype")),
    *(("numpy._core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "scalar")),
    ("numpy._core.numeric", "_frombuffer"),
}


def save(path: Path, value: Any) -> None:
    """Writes a value durably.

    Raises:
        OSError: the disk is full or the folder can't be written.
    """
    durable.write(path, pickle.dumps(value, protocol=5))


def load(path: Path) -> Any:
    """The value that `save` wrote.

    Raises:
        OSError: the file can't be read.
        pickle.UnpicklingError: it holds something that no result is made of.
    """
    return _Unpickler(io.BytesIO(path.read_bytes())).load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _NUMPY:
            return super().find_class(module, name)
        if module == "numpy.dtypes" and issubclass(getattr(np.dtypes, name), np.dtype):
            return super().find_class(module, name)
        if module.split(".")[0] == "app":
            found = getattr(import_module(module), name, None)
            if isinstance(found, type) and is_dataclass(found):
                return found
        raise pickle.UnpicklingError(f"no result is made of {module}.{name}")
