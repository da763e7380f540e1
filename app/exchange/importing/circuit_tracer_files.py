"""Where circuit-tracer's features lie: packed by layer, or one JSON file each.

Packed: `index.json.gz` names for each layer a file and the offsets of its features, each a
little-endian length of four bytes with that many bytes of gzipped JSON. One file each: the name is
layer and feature in one number, by Cantor's pairing; older sets have layer × 100,000 + feature.
Takes a folder, gives for each layer its features' objects in order. Knows nothing of what stands
in them.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from app.errors import AtlasError, echoed
from app.exchange.importing.entry import Entry, parse
from app.exchange.importing.json_items import read_members
from app.exchange.importing.text_files import MOST_AT_ONCE, Place, read_whole, unpack
from app.opening import require_file

INDEX_NAMES = ("index.json.gz", "index.json")
_FILE = re.compile(r"(\d{1,15})\.json(?:\.gz)?")
_LAYER = re.compile(r"0|[1-9][0-9]{0,8}")
_MOST_LAYERS = 200
"""More than any language model has"""
_LARGEST_FILE = 1 << 53
"""bytes; JSON's numbers are exact up to here"""
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Layer:
    """The features of one layer."""

    number: int | None
    """None where the files' names don't hold one"""
    n_features: int | None
    """of the layer; None where only those that are there are known"""
    read: Callable[[], Iterator[tuple[int, Entry]]]
    """feature and its object, ascending"""


def packed_layers(index: Path) -> list[Layer]:
    """The layers an index names."""
    found = {
        int(member.name): _named(index, Entry({member.name: member.value}, Place(index)))
        for member in read_members(index)
        if _LAYER.fullmatch(member.name)
    }
    if not found:
        raise AtlasError(f"{index} names no layer, expected one entry for each.")
    return [found[number] for number in sorted(found)]


def _named(index: Path, content: Entry) -> Layer:
    """The layer of one entry of an index."""
    (name,) = content.names()
    layer = content.section(name)
    file = index.parent / Path(layer.need(layer.text, "filename")).name
    if not os.path.exists(file):
        raise AtlasError(
            f"{index.parent / echoed(file.name)} is missing: {index.name} says it holds layer "
            f"{name}."
        )
    return _packed(int(name), file, _offsets(layer))


def _offsets(layer: Entry) -> Int64[np.ndarray, " n_plus_1"]:
    offsets = layer.need(layer.numbers, "offsets")
    places = (offsets >= 0) & (offsets < _LARGEST_FILE) & (offsets == np.floor(offsets))
    if len(offsets) < 1 or (np.diff(offsets) < 0).any() or not places.all():
        layer.wrong("offsets", offsets[:4].tolist(), "the features' places in bytes, ascending")
    return offsets.astype(np.int64)


def single_files(folder: Path) -> list[Layer]:
    """The layers that the names of a folder's files hold; none where it has no such files."""
    paths = {int(m[1]): m[0] for m in map(_FILE.fullmatch, _names(folder)) if m}
    if not paths:
        return []
    numbers = np.array(sorted(paths), np.int64)
    layers, features = _split(numbers, folder / paths[int(numbers[0])])
    found = []
    for layer in np.unique(layers):
        mine = layers == layer
        order = np.argsort(features[mine], kind="stable")
        own = [
            (int(feature), paths[int(number)])
            for feature, number in zip(features[mine][order], numbers[mine][order], strict=True)
        ]
        found.append(_files(None if layer < 0 else int(layer), folder, own))
    return found


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []


def _packed(number: int, file: Path, offsets: Int64[np.ndarray, " n_plus_1"]) -> Layer:
    def read() -> Iterator[tuple[int, Entry]]:
        require_file(file)
        with file.open("rb") as opened:
            for feature in range(len(offsets) - 1):
                start, stop = int(offsets[feature]), int(offsets[feature + 1])
                if start == stop:
                    continue
                place = Place(file, part=f"feature {feature:,}")
                if stop - start > MOST_AT_ONCE:
                    raise AtlasError(
                        f"{place} is said to have {stop - start:,} bytes, expected less than "
                        f"{MOST_AT_ONCE:,}."
                    )
                opened.seek(start)
                chunk = opened.read(stop - start)
                if len(chunk) < stop - start:
                    raise AtlasError(f"{place} lies behind the file's end: download it again.")
                yield feature, parse(_unpacked(chunk, place), place)

    return Layer(number, len(offsets) - 1, read)


def _unpacked(chunk: bytes, place: Place) -> bytes:
    if chunk[:2] == _GZIP:
        return unpack(chunk, place)
    if chunk[4:6] == _GZIP:
        length = int.from_bytes(chunk[:4], "little")
        if length > len(chunk) - 4:
            raise AtlasError(
                f"{place} is said to have {length:,} bytes where {len(chunk) - 4:,} lie: download "
                "the file again."
            )
        return unpack(chunk[4 : 4 + length], place)
    return chunk.rstrip(b"\x00")


def _files(number: int | None, folder: Path, own: Sequence[tuple[int, str]]) -> Layer:
    def read() -> Iterator[tuple[int, Entry]]:
        for feature, name in own:
            path = folder / name
            yield feature, parse(read_whole(path), Place(path))

    return Layer(number, None, read)


Numbers = Int64[np.ndarray, " n"]


def _split(numbers: Numbers, first: Path) -> tuple[Numbers, Numbers]:
    """Layers and features of files' numbers; layer −1 where they hold none.

    What the first file says of itself decides; without that, numbers without a gap from 0 on are
    the features of one layer, and others hold the layer in the first way that gives few enough.
    """
    ways: Mapping[str, Callable[[int], tuple[int, int]]] = {
        "pairing": cantor_unpair,
        "hundred thousands": lambda number: divmod(number, 100_000),
        "none": lambda number: (-1, number),
    }
    said = _said(first)
    fits = [way for way, split in ways.items() if said and split(int(numbers[0])) in said]
    if fits:
        chosen = fits[0]
    elif np.array_equal(numbers, np.arange(len(numbers))) and len(numbers) > 3:
        chosen = "none"
    else:
        few = (
            w for w, split in ways.items() if max(split(int(n))[0] for n in numbers) < _MOST_LAYERS
        )
        chosen = next(few, "none")
    found = np.array([ways[chosen](int(number)) for number in numbers], np.int64)
    return found[:, 0], found[:, 1]


def _said(path: Path) -> list[tuple[int, int]]:
    """Layer and feature as a file may say them beside its number."""
    entry = parse(read_whole(path), Place(path))
    values: list[Any] = [entry.any("layer"), entry.any("feature")]
    if not all(isinstance(value, int | str) and str(value).isdecimal() for value in values):
        return []
    return [(int(values[0]), int(values[1]))]


def cantor_unpair(number: int) -> tuple[int, int]:
    """(layer, feature) of (layer + feature)(layer + feature + 1) / 2 + feature."""
    total = (isqrt(8 * number + 1) - 1) // 2
    feature = number - total * (total + 1) // 2
    return total - feature, feature
