"""One file of a delphi cache: the firings of a range of features, over all sequences.

    locations    [n, 3], unsigned 16 or 32 bits (any integer is read): sequence, position, feature
                 counted from the file's first
    activations  [n], half precision (float32 is read too)
    tokens       [n_sequences, context_size], integers; the same in every file of a cache

Reads slices, never a whole file: memory is bounded by what is asked for. delphi writes firings in
the order of sequences; where another tool shuffled them every slice goes through the whole file.
Takes a path, gives arrays; knows nothing of other files of the cache.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64
from safetensors import SafetensorError, safe_open

from app.errors import AtlasError
from app.opening import require_file

SPLIT_NAME = re.compile(r"(\d+)_(\d+)\.safetensors")
"""`{first}_{last}.safetensors`, the last feature included."""

ROWS_AT_ONCE = 2**20
"""Firings read together: about 30 MB."""

MOST_IDS = 2**20
"""Token ids lie below: no tokenizer has as many, and a vocabulary is held whole."""

_INTEGERS = ("U8", "U16", "U32", "U64", "I16", "I32", "I64")
_FLOATS = ("F16", "F32", "F64")


@dataclass(frozen=True)
class Firings:
    """Some firings of some features."""

    sequence: Int64[np.ndarray, " n"]
    position: Int64[np.ndarray, " n"]
    feature: Int64[np.ndarray, " n"]
    activation: Float32[np.ndarray, " n"]
    """not 0; negative where the cache has negative values"""

    def only(self, chosen: np.ndarray) -> "Firings":
        """Those at an index or under a mask."""
        return Firings(
            self.sequence[chosen],
            self.position[chosen],
            self.feature[chosen],
            self.activation[chosen],
        )


@dataclass(frozen=True)
class Split:
    """One file, its layout checked."""

    path: Path
    first: int
    """its first feature"""
    last: int
    """its last feature"""
    n_firings: int
    n_sequences: int
    context_size: int
    dtype: str
    """of the activations, as safetensors calls it"""

    @classmethod
    def open(cls, path: Path) -> "Split":
        """Reads names, dtypes and shapes, no content.

        Raises:
            AtlasError: not such a file; says what is wrong with it.
        """
        named = SPLIT_NAME.fullmatch(path.name)
        if named is None or int(named[2]) < int(named[1]):
            raise AtlasError(
                f"{path} is not named FIRST_LAST.safetensors after the features it holds."
            )
        with _reading(path) as file:
            there = set(file.keys())
            if "tokens" not in there and {"locations", "activations"} <= there:
                raise AtlasError(
                    f"{path} holds no tokens, so its texts can't be known: let delphi cache them "
                    "(save_tokens=True)."
                )
            locations = _shape(file, path, "locations", 2, _INTEGERS)
            activations = _shape(file, path, "activations", 1, _FLOATS)
            tokens = _shape(file, path, "tokens", 2, _INTEGERS)
            dtype = file.get_slice("activations").get_dtype()
        if locations[1] != 3 or locations[0] != activations[0]:
            raise AtlasError(
                f"{path} holds locations {locations} and activations {activations}, expected "
                "[n, 3] and [n]."
            )
        shape = (tokens[0], tokens[1])
        return cls(path, int(named[1]), int(named[2]), activations[0], *shape, dtype)

    def tokens(self, start: int, stop: int) -> Int64[np.ndarray, "n context_size"]:
        """The token ids of the sequences [start, stop).

        Raises:
            AtlasError: one of them can't be a token's.
        """
        with _reading(self.path) as file:
            part = file.get_slice("tokens")[start : min(stop, self.n_sequences)].astype(np.int64)
        wrong = (part < 0) | (part >= MOST_IDS)
        if wrong.any():
            row, position = (int(i) for i in np.argwhere(wrong)[0])
            raise AtlasError(
                f"{self.path}, sequence {start + row}, position {position}: {part[row, position]} "
                f"is no token's id, expected 0 to {MOST_IDS - 1:,}."
            )
        return part

    def firings(self, start: int, stop: int) -> Iterator[Firings]:
        """Those in the sequences [start, stop), in the order of the file, block by block.

        Raises:
            AtlasError: as `is_ordered`.
        """
        first, end = self._rows(start, stop) if self.is_ordered else (0, self.n_firings)
        for begin in range(first, end, ROWS_AT_ONCE):
            found = self._read(begin, min(begin + ROWS_AT_ONCE, end))
            if self.is_ordered:
                yield found
            else:
                yield found.only((found.sequence >= start) & (found.sequence < stop))

    @cached_property
    def is_ordered(self) -> bool:
        """Whether sequences ascend. Goes through every firing once.

        Raises:
            AtlasError: a place lies outside the sequences, a feature outside the file's, or an
                activation is 0 or no finite number.
        """
        before, ordered = 0, True
        for start in range(0, self.n_firings, ROWS_AT_ONCE):
            sequence = self._read(start, min(start + ROWS_AT_ONCE, self.n_firings)).sequence
            ordered &= bool(sequence[0] >= before and (np.diff(sequence) >= 0).all())
            before = int(sequence[-1])
        return ordered

    def _rows(self, start: int, stop: int) -> tuple[int, int]:
        """The rows of these sequences, found by halving."""
        return self._first_row(start), self._first_row(stop)

    def _first_row(self, sequence: int) -> int:
        """The first row at or behind a sequence."""
        low, high = 0, self.n_firings
        with _reading(self.path) as file:
            locations = file.get_slice("locations")
            while low < high:
                middle = (low + high) // 2
                if int(locations[middle : middle + 1][0, 0]) < sequence:
                    low = middle + 1
                else:
                    high = middle
        return low

    def _locations(self, start: int, stop: int) -> Int64[np.ndarray, "n 3"]:
        with _reading(self.path) as file:
            return file.get_slice("locations")[start : min(stop, self.n_firings)].astype(np.int64)

    def _read(self, start: int, stop: int) -> Firings:
        locations = self._locations(start, stop)
        with _reading(self.path) as file:
            activation = file.get_slice("activations")[start:stop].astype(np.float32)
        sequence, position, feature = locations.T
        self._check(start, "sequence", sequence, self.n_sequences)
        self._check(start, "position", position, self.context_size)
        self._check(start, "feature", feature, self.last - self.first + 1)
        wrong = ~np.isfinite(activation) | (activation == 0)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise AtlasError(
                f"{self.path}, firing {start + row}: the activation is {activation[row]}; "
                "half precision ends at 65,504, so larger ones are lost in the cache."
            )
        return Firings(sequence, position, feature + self.first, activation)

    def _check(self, start: int, what: str, values: np.ndarray, end: int) -> None:
        wrong = (values < 0) | (values >= end)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise AtlasError(
                f"{self.path}, firing {start + row}: {what} {values[row]} is not below {end:,}."
            )


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    require_file(path)
    try:
        with safe_open(path, framework="np") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise AtlasError(f"{path} can't be read as safetensors: {error}.") from error


def _shape(file: Any, path: Path, name: str, ndim: int, dtypes: tuple[str, ...]) -> list[int]:
    if name not in file.keys():  # noqa: SIM118 (a file, not a mapping)
        held = ", ".join(sorted(file.keys())) or "nothing"
        raise AtlasError(
            f"{path} holds {held}, expected locations, activations and tokens as delphi writes."
        )
    part = file.get_slice(name)
    if part.get_dtype() not in dtypes or len(part.get_shape()) != ndim:
        raise AtlasError(
            f"{path} holds {name} as {part.get_dtype()} {part.get_shape()}, expected "
            f"{' or '.join(dtypes)} in {ndim} dimension{'s' if ndim > 1 else ''}."
        )
    return part.get_shape()
