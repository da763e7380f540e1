"""A record of arrays as one blob and back: the safetensors layout, compressed.

For what is read one at a time and is large enough to need no packing of its own: the tokens of a
context, the layout of all texts. What hundreds of features have in common is packed for all of them
at once, see `packing`. Takes any dataclass of arrays, ints and floats; knows none by name.
"""

import zlib
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar, get_type_hints

import numpy as np
from safetensors.numpy import load, save

Record = TypeVar("Record")

_SCALARS: dict[type, Any] = {int: np.int64, float: np.float64}


def pack(record: Any) -> bytes:
    """One compressed blob of a dataclass whose fields are numpy arrays, ints or floats."""
    arrays: dict[str, np.ndarray] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if not isinstance(value, np.ndarray):
            value = np.asarray(value, dtype=_SCALARS[type(value)])
        arrays[field.name] = np.ascontiguousarray(value).reshape(value.shape)
    return zlib.compress(save(arrays), 6)


def unpack(kind: type[Record], blob: bytes) -> Record:
    """The record that `pack` stored; scalar fields come back as Python numbers."""
    arrays = load(zlib.decompress(blob))
    hints = _hints(kind)
    values = {
        name: hints[name](array.item()) if hints[name] in _SCALARS else array
        for name, array in arrays.items()
    }
    return kind(**values)


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
