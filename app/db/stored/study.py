"""What a study found, as one blob: nested dataclasses of words, numbers and arrays of any shape.

Takes a record and gives bytes; takes bytes and the record's kind and gives the record. A header in
JSON holds all but the arrays, which follow as they lie in memory; everything is compressed. Read
whole; nothing in a blob can run anything. Knows no table and no record by name.
"""

import json
import struct
import types
import zlib
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

_LENGTH = struct.Struct("<I")
_PLACE = "$array"
_KINDS = "biuf"
"""of arrays: truth values, whole and real numbers"""


def pack_study(record: Any) -> bytes:
    """One blob of a dataclass.

    Raises:
        TypeError: a field holds something else than dataclasses, lists, dictionaries with texts as
            keys, texts, numbers, None, and arrays of numbers or truth values.
    """
    arrays: list[ndarray] = []
    head = json.dumps(_plain(record, arrays)).encode()
    parts = [_LENGTH.pack(len(head)), head]
    parts += [
        np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes() for array in arrays
    ]
    return zlib.compress(b"".join(parts))


def unpack_study(kind: type, blob: bytes) -> Any:
    """The record that `pack_study` was given; its arrays can't be written to.

    Raises:
        ValueError, KeyError, TypeError, zlib.error, struct.error: the blob is damaged or holds a
            record of another kind.
    """
    return _read(kind, blob)


def unpack_plain(blob: bytes) -> Any:
    """The same without its kind: dictionaries in the place of dataclasses, lists of tuples.

    Raises:
        ValueError, KeyError, TypeError, zlib.error, struct.error: the blob is damaged.
    """
    return _read(Any, blob)


def _read(kind: Any, blob: bytes) -> Any:
    data = zlib.decompress(blob)
    (length,) = _LENGTH.unpack_from(data)
    start = _LENGTH.size + length
    reader = _Reader(memoryview(data)[start:])
    record = reader.made(kind, json.loads(data[_LENGTH.size : start]))
    if reader.left:
        raise ValueError(f"{reader.left} bytes follow the last array")
    return record


def _plain(value: Any, arrays: list[ndarray]) -> Any:
    if isinstance(value, ndarray):
        if value.dtype.kind not in _KINDS:
            raise TypeError(f"an array of {value.dtype} can't be stored")
        arrays.append(value)
        return {_PLACE: [value.dtype.newbyteorder("<").str, list(value.shape)]}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), arrays) for field in fields(value)}
    if isinstance(value, dict):
        if not all(isinstance(key, str) and key != _PLACE for key in value):
            raise TypeError("a dictionary's keys are texts")
        return {key: _plain(item, arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, arrays) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{type(value).__name__} can't be stored")


class _Reader:
    """Makes values of their kinds; takes arrays in the order they were written."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    @property
    def left(self) -> int:
        """Bytes that no array was made of yet."""
        return len(self._data)

    def made(self, hint: Any, value: Any) -> Any:
        if isinstance(value, dict) and value.keys() == {_PLACE}:
            return self._array(*value[_PLACE])
        hint = _meant(hint, value)
        if isinstance(hint, type) and is_dataclass(hint):
            known = _hints(hint)
            # A field that came later, with a default, is missing in what was stored before.
            if not _required(hint) <= value.keys() <= known.keys():
                raise ValueError(f"not a {hint.__name__}")
            return hint(**{name: self.made(known[name], item) for name, item in value.items()})
        origin, inner = get_origin(hint), get_args(hint)
        if isinstance(value, dict):
            kind = inner[1] if origin is dict else Any
            return {key: self.made(kind, item) for key, item in value.items()}
        if origin is tuple:
            kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
            return tuple(self.made(each, item) for each, item in zip(kinds, value, strict=True))
        if isinstance(value, list):
            kind = inner[0] if origin is list else Any
            return [self.made(kind, item) for item in value]
        return value

    def _array(self, kind: str, shape: list[int]) -> Shaped[ndarray, "..."]:
        dtype = np.dtype(kind)
        if dtype.kind not in _KINDS:
            raise ValueError(f"no study holds an array of {dtype}")
        n_bytes = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        found = np.frombuffer(self._data[:n_bytes], dtype).reshape(shape)
        self._data = self._data[n_bytes:]
        return found


def _meant(hint: Any, value: Any) -> Any:
    """Of `X | None` what is there; of `Annotated[X, …]` X."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType) and value is not None:
        others = [each for each in get_args(hint) if each is not types.NoneType]
        if len(others) == 1:
            return _meant(others[0], value)
    return hint


@lru_cache(maxsize=128)
def _required(kind: type) -> frozenset[str]:
    """The fields without a default."""
    return frozenset(
        each.name
        for each in fields(kind)
        if each.default is MISSING and each.default_factory is MISSING
    )


@lru_cache(maxsize=128)
def _hints(kind: type) -> dict[str, Any]:
    """The kinds of a dataclass' fields, read once."""
    known = get_type_hints(kind, include_extras=True)
    return {field.name: known[field.name] for field in fields(kind)}
