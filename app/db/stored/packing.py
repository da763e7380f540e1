"""Records into as few bytes as they hold: the writing half of `compact.py`.

Takes columns, the values of one field of many records end to end, and gives one blob a record or a
row of records: all that numpy does is done once for all of them, a blob costs its slices and its
compression, which runs in threads. Knows no table and no record by name.
"""

import os
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Shaped, UInt32
from numpy import ndarray

from app.db.stored.compact import HEADER, NOISY, RAW_DEFLATE, Stored, layout_of

_SMALL = (6, zlib.Z_DEFAULT_STRATEGY)
_QUICK = (1, zlib.Z_RLE)
"""Level and strategy. Short blobs hold runs of one byte and hardly anything else that comes twice:
looking for no more than that takes two thirds of the time and 3% more room."""

_SHORT = 1 << 12
_SHORT_MEMORY, _MEMORY = (-12, 5), (RAW_DEFLATE, 8)
"""Window and memory of the compressor; what is no longer than a short window needs no other, and
getting a quarter of a megabyte for every blob takes longer than compressing it."""

_BLOBS_A_THREAD = 64


@dataclass(frozen=True)
class Ragged:
    """One array of every record, end to end."""

    values: Shaped[ndarray, " total"]
    sizes: Int[ndarray, " n"]

    @classmethod
    def of(cls, arrays: Sequence[ndarray], kind: Any) -> "Ragged":
        """From the arrays themselves, converted to a dtype."""
        sizes = np.fromiter(map(len, arrays), np.int64, len(arrays))
        if not arrays:
            return cls(np.zeros(0, kind), sizes)
        return cls(np.concatenate(arrays, dtype=kind, casting="unsafe"), sizes)

    @property
    def starts(self) -> Int[ndarray, " n"]:
        """Where each begins."""
        return self.sizes.cumsum() - self.sizes


@dataclass(frozen=True)
class Columns:
    """Many records of one kind; `fields` say nothing of those that are absent."""

    kind: type
    present: Bool[ndarray, " n"]
    fields: Mapping[str, Ragged | ndarray]
    """by name, of the present ones: arrays, or one number each; empty where none is present"""

    @classmethod
    def of(cls, kind: type, records: Sequence[Any | None]) -> "Columns":
        """From the records themselves; None stands where there is none.

        Raises:
            ValueError: an array has more than one dimension.
        """
        held = [record for record in records if record is not None]
        present = np.fromiter((record is not None for record in records), np.bool_, len(records))
        found: dict[str, Ragged | ndarray] = {}
        for name, how in layout_of(kind).fields if held else ():
            values = list(map(attrgetter(name), held))
            if how in (Stored.INT, Stored.FLOAT):
                found[name] = np.array(values, how.dtype)
                continue
            found[name] = column = Ragged.of(values, how.dtype)
            if column.values.ndim != 1:
                raise ValueError(f"{kind.__name__}.{name} has {column.values.ndim} dimensions")
        return cls(kind, present, found)


def pack(*records: Any | None, noisy: bool = False) -> bytes:
    """One blob of some records in a row; None stands where there is none.

    Args:
        noisy: leaves the lowest byte of whole numbers as it is; worth it where they follow no rule.

    Raises:
        ValueError: an array has more than one dimension.
    """
    parts = [Columns.of(type(record), [record]) for record in records]
    (blob,) = _blobs(_streams(parts), slice(None), _SMALL, noisy)
    return blob


def pack_many(*parts: Columns) -> list[bytes]:
    """For every row one short blob: of each column its record, None where it is absent."""
    n = parts[0].present.size
    if not n:
        return []
    streams = _streams(parts)
    chunks = [slice(at, at + _BLOBS_A_THREAD) for at in range(0, n, _BLOBS_A_THREAD)]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = threads.map(lambda rows: _blobs(streams, rows, _QUICK), chunks)
        return [blob for blobs in found for blob in blobs]


@dataclass(frozen=True)
class _Planes:
    """The numbers of all rows, row after row, the bytes of each in planes apart."""

    planes: list[bytes]
    """lowest byte first"""
    bounds: list[int]
    """where each row begins, and the end of the last"""


@dataclass(frozen=True)
class _Streams:
    """What blobs are made of."""

    n_planes: list[int]
    """of the whole numbers of each row"""
    whole: _Planes
    rounded: _Planes
    exact: _Planes
    doubles: _Planes


def _blobs(
    streams: _Streams, rows: slice, settings: tuple[int, int], noisy: bool = False
) -> list[bytes]:
    """The blobs of some rows: slices and compression."""
    found = []
    level, strategy = settings
    whole, rounded, exact = streams.whole, streams.rounded, streams.exact
    *lower_rounded, first_rounded = rounded.planes
    *lower_exact, first_exact = exact.planes
    (doubles,) = streams.doubles.planes
    bounds = [_pairs(each.bounds, rows) for each in (whole, rounded, exact, streams.doubles)]
    for n_planes, (a, b), (c, d), (e, f), (g, h) in zip(
        streams.n_planes[rows], *bounds, strict=True
    ):
        planes = [plane[a:b] for plane in whole.planes[:n_planes]]
        raw = planes.pop(0) if noisy else b""
        data = b"".join((*planes, first_rounded[c:d], first_exact[e:f]))
        memory = _SHORT_MEMORY if len(data) <= _SHORT else _MEMORY
        compressor = zlib.compressobj(level, zlib.DEFLATED, *memory, strategy)
        found.append(
            b"".join(
                (
                    HEADER.pack(n_planes | (NOISY if noisy else 0), b - a),
                    raw,
                    compressor.compress(data),
                    compressor.flush(),
                    *(plane[c:d] for plane in lower_rounded),
                    *(plane[e:f] for plane in lower_exact),
                    doubles[8 * g : 8 * h],
                )
            )
        )
    return found


def _pairs(bounds: list[int], rows: slice) -> Any:
    starts, stops = bounds[:-1][rows], bounds[1:][rows]
    return zip(starts, stops, strict=True)


def _streams(parts: Sequence[Columns]) -> _Streams:
    n = parts[0].present.size
    head, whole, rounded, exact, doubles = ([] for _ in range(5))
    for part in parts:
        present = part.present.astype(np.int64)
        head.append(Ragged(present, np.ones(n, np.int64)))
        for name, how in layout_of(part.kind).fields if present.any() else ():
            field = part.fields[name]
            if not isinstance(field, Ragged):
                (head if how == Stored.INT else doubles).append(Ragged(field, present))
                continue
            head.append(Ragged(field.sizes, present))
            sizes = np.zeros(n, np.int64)
            sizes[part.present] = field.sizes
            if how == Stored.STEPS:
                whole.append(Ragged(_differences(field), sizes))
            else:
                to = {Stored.ROUNDED: rounded, Stored.EXACT: exact}.get(how, whole)
                to.append(Ragged(field.values, sizes))
    numbers = _row_by_row([*head, *whole], n, np.int64)
    n_planes, planes = _whole_planes(numbers)
    scalars = _row_by_row(doubles, n, np.float64)
    return _Streams(
        n_planes,
        planes,
        _real_planes(_row_by_row(rounded, n, np.float32), 3),
        _real_planes(_row_by_row(exact, n, np.float32), 4),
        _Planes([scalars.values.astype("<f8").tobytes()], _bounds(scalars)),
    )


def _row_by_row(columns: list[Ragged], n: int, kind: Any) -> Ragged:
    """Of every row its array from each column, one after the other."""
    if not columns:
        return Ragged(np.zeros(0, kind), np.zeros(n, np.int64))
    values = np.concatenate([each.values for each in columns], dtype=kind, casting="unsafe")
    sizes = np.stack([each.sizes for each in columns])
    starts = (sizes.cumsum() - sizes.ravel()).reshape(sizes.shape)
    rows = runs(starts.T.ravel(), sizes.T.ravel())
    return Ragged(values[rows], sizes.sum(axis=0))


def runs(first: Int[ndarray, " n"], size: Int[ndarray, " n"]) -> Int[ndarray, " total"]:
    """first, first + 1 … of each, `size` of them, one after the other."""
    held = size > 0
    first, size = first[held], size[held]
    steps = np.ones(int(size.sum()), np.int64)
    if size.size:
        steps[0] = first[0]
        steps[size.cumsum()[:-1]] = first[1:] - first[:-1] - size[:-1] + 1
    return steps.cumsum()


def owners(size: Int[ndarray, " n"]) -> Int[ndarray, " total"]:
    """0 `size[0]` times, 1 `size[1]` times and so on; several times as fast as `np.repeat`."""
    total = int(size.sum())
    return np.bincount(size[:-1].cumsum(), minlength=total + 1)[:total].cumsum()


def _differences(steps: Ragged) -> Int[ndarray, " total"]:
    """Of each array its first value and then the differences."""
    values = steps.values.astype(np.int64)
    found = np.diff(values, prepend=0)
    first = steps.starts[steps.sizes > 0]
    found[first] = values[first]
    return found


def _whole_planes(numbers: Ragged) -> tuple[list[int], _Planes]:
    """Zigzag (0, −1, 1, −2 … as 0, 1, 2, 3 …) in planes, and how many of them each row needs."""
    coded = ((numbers.values << 1) ^ (numbers.values >> 63)).view(np.uint64)
    most = np.maximum.reduceat(coded, numbers.starts)
    n_planes = np.ones(most.size, np.int64)
    for n_bits in range(8, 64, 8):
        n_planes += most >= np.uint64(1 << n_bits)
    wide = coded.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    planes = [wide[:, plane].tobytes() for plane in range(int(n_planes.max()))]
    return n_planes.tolist(), _Planes(planes, _bounds(numbers))


def _real_planes(reals: Ragged, n_bytes: int) -> _Planes:
    """Float32 in planes: all 4 bytes, or rounded to the upper 3."""
    bits = np.ascontiguousarray(reals.values, np.float32).view(np.uint32)
    kept = bits if n_bytes == 4 else upper_24_bits(bits)
    wide = kept.astype("<u4", copy=False).view(np.uint8).reshape(-1, 4)
    return _Planes([wide[:, plane].tobytes() for plane in range(n_bytes)], _bounds(reals))


def upper_24_bits(bits: UInt32[ndarray, " n"]) -> UInt32[ndarray, " n"]:
    """Rounded to nearest, ties to even; not-a-number stays one."""
    return (bits + (np.uint32(0x7F) + ((bits >> np.uint32(8)) & np.uint32(1)))) >> np.uint32(8)


def _bounds(numbers: Ragged) -> list[int]:
    return [0, *numbers.sizes.cumsum().tolist()]
