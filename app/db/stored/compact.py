"""Records in as few bytes as they hold: how their fields are stored, and reading them back.

A packed record is a dataclass of one-dimensional arrays and numbers. Some in a row are one blob
without a name in it: the kinds of the records, which whoever reads must know, say what follows what
(docs/design.md has the layout). Integers stand byte plane by byte plane and are compressed, of real
numbers only the first byte is: the rest of a measurement is noise, and nothing makes noise smaller.
`packing.py` writes. Knows no table and no record by name.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import Enum
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
from jaxtyping import Float, Int, Integer, UInt8
from numpy import ndarray

STEPS = "steps"
ROUNDED = "rounded"

Counts = Integer[ndarray, " _"]
"""Whole numbers; come back as int64."""
Steps = Annotated[Integer[ndarray, " _"], STEPS]
"""Whole numbers of which each lies near the one before: stored as differences."""
Exact = Float[ndarray, " _"]
"""Real numbers; come back as float32."""
Rounded = Annotated[Float[ndarray, " _"], ROUNDED]
"""Real numbers kept to 16 significant bits, off by less than 0.0016%; come back as float32."""

ROUNDING = 2.0**-16
"""By how much of itself a number kept to 16 significant bits is off at most."""

HEADER = struct.Struct("<BI")
RAW_DEFLATE = -15
NOISY = 0x80


class Stored(Enum):
    """How a field is stored."""

    COUNT = "whole numbers"
    STEPS = "whole numbers as differences"
    EXACT = "real numbers"
    ROUNDED = "real numbers to 16 significant bits"
    INT = "a whole number"
    FLOAT = "a real number"

    @property
    def dtype(self) -> type[np.generic]:
        """What it is to numpy."""
        if self in (Stored.EXACT, Stored.ROUNDED):
            return np.float32
        return np.float64 if self == Stored.FLOAT else np.int64


@dataclass(frozen=True)
class Layout:
    """The fields of one kind of record, each with how it is stored."""

    kind: type
    fields: tuple[tuple[str, Stored], ...]


def unpack(kinds: Sequence[type], blob: bytes) -> list[Any | None]:
    """The records `pack` was given, by their kinds in the same order.

    Arrays are views of what was decompressed: int64 and float32.
    """
    n_planes, n_whole = HEADER.unpack_from(blob)
    raw = n_whole if n_planes & NOISY else 0
    n_planes &= ~NOISY
    inflater = zlib.decompressobj(RAW_DEFLATE)
    start = HEADER.size + raw
    inflated = inflater.decompress(memoryview(blob)[start:])
    first = np.frombuffer(blob[HEADER.size : start] + inflated if raw else inflated, np.uint8)
    rest = inflater.unused_data
    numbers = _whole(first[: n_planes * n_whole].reshape(n_planes, n_whole))
    firsts = first[n_planes * n_whole :]
    longest = sum(1 + len(layout_of(kind).fields) for kind in kinds)
    head = iter(numbers[:longest].tolist())
    found = [_read_head(layout_of(kind), head) for kind in kinds]
    place = sum(item.n_head for item in found)
    n_rounded = sum(item.n_rounded for item in found)
    n_exact = firsts.size - n_rounded
    rounded = _from_24_bits(firsts[:n_rounded], rest)
    exact = _from_32_bits(firsts[n_rounded:], rest, 2 * n_rounded)
    doubles = iter(np.frombuffer(rest, "<f8", offset=2 * n_rounded + 3 * n_exact).tolist())
    return _Reader(numbers, rounded, exact, doubles, place).records(found)


def unpack_one(kind: type, blob: bytes) -> Any:
    """The single record of a blob."""
    [record] = unpack((kind,), blob)
    return record


@dataclass(frozen=True)
class _Head:
    """What stands before the arrays: whether there is a record, lengths, whole numbers."""

    layout: Layout
    values: list[int] | None
    n_rounded: int

    @property
    def n_head(self) -> int:
        return 1 if self.values is None else 1 + len(self.values)


def _read_head(layout: Layout, head: Any) -> _Head:
    if not next(head):
        return _Head(layout, None, 0)
    values, n_rounded = [], 0
    for _, how in layout.fields:
        if how != Stored.FLOAT:
            value = next(head)
            values.append(value)
            if how == Stored.ROUNDED:
                n_rounded += value
    return _Head(layout, values, n_rounded)


class _Reader:
    """Takes the arrays of one record after the other from the four streams."""

    def __init__(
        self, numbers: ndarray, rounded: ndarray, exact: ndarray, doubles: Any, place: int
    ) -> None:
        self._numbers, self._rounded, self._exact = numbers, rounded, exact
        self._doubles = doubles
        self._place, self._at_rounded, self._at_exact = place, 0, 0

    def records(self, heads: list[_Head]) -> list[Any | None]:
        return [
            None
            if head.values is None
            else head.layout.kind(**dict(self._fields(head.layout, iter(head.values))))
            for head in heads
        ]

    def _fields(self, layout: Layout, head: Any) -> Any:
        for name, how in layout.fields:
            if how == Stored.FLOAT:
                yield name, next(self._doubles)
                continue
            value = next(head)
            if how == Stored.INT:
                yield name, value
            elif how == Stored.EXACT:
                start, self._at_exact = self._at_exact, self._at_exact + value
                yield name, self._exact[start : start + value]
            elif how == Stored.ROUNDED:
                start, self._at_rounded = self._at_rounded, self._at_rounded + value
                yield name, self._rounded[start : start + value]
            else:
                start, self._place = self._place, self._place + value
                found = self._numbers[start : start + value]
                yield name, found.cumsum() if how == Stored.STEPS else found


def _whole(planes: UInt8[ndarray, "n_planes n"]) -> Int[ndarray, " n"]:
    n_planes, n = planes.shape
    kept = 4 if n_planes <= 4 else 8
    wide = np.zeros((n, kept), np.uint8)
    wide[:, :n_planes] = planes.T
    coded = wide.view("<u4" if kept == 4 else "<u8").ravel().astype(np.uint64)
    return (coded >> np.uint64(1)).view(np.int64) ^ -(coded & np.uint64(1)).view(np.int64)


def _from_24_bits(first: UInt8[ndarray, " n"], rest: bytes) -> Float[ndarray, " n"]:
    wide = np.zeros((first.size, 4), np.uint8)
    wide[:, 3] = first
    wide[:, 1:3] = np.frombuffer(rest, np.uint8, 2 * first.size).reshape(2, -1).T
    return wide.view("<f4").ravel()


def _from_32_bits(first: UInt8[ndarray, " n"], rest: bytes, offset: int) -> Float[ndarray, " n"]:
    wide = np.empty((first.size, 4), np.uint8)
    wide[:, 3] = first
    wide[:, :3] = np.frombuffer(rest, np.uint8, 3 * first.size, offset).reshape(3, -1).T
    return wide.view("<f4").ravel()


@lru_cache
def layout_of(kind: type) -> Layout:
    """Of a dataclass of one-dimensional arrays and numbers, by its annotations."""
    hints = get_type_hints(kind, include_extras=True)
    found = tuple((field.name, _how(hints[field.name])) for field in fields(kind))
    return Layout(kind, found)


def _how(hint: Any) -> Stored:
    if hint is int:
        return Stored.INT
    if hint is float:
        return Stored.FLOAT
    how = ""
    if get_origin(hint) is Annotated:
        hint, how = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        raise TypeError(f"{hint}: a packed field is always there")
    real = "float32" in cast(Any, hint).dtypes
    if how == STEPS:
        return Stored.STEPS
    if how == ROUNDED:
        return Stored.ROUNDED
    return Stored.EXACT if real else Stored.COUNT
