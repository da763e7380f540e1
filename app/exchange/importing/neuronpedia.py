"""Neuronpedia's exports: which dictionaries lie in a folder, and their features in order.

The layout is `v1/{modelId}/{sourceId}/` with `features`, `activations` and `explanations` in
batches of JSON lines; any of the three may be missing, and any of the folders may be given. Batch N
of one kind holds other features than batch N of another, and in a database's export they are in
the order of their numbers as texts, so lines are sorted by feature before they are joined. Takes a
path, gives `ForeignSource`s; what a line says, `neuronpedia_lines` knows.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from app.errors import AtlasError
from app.exchange.foreign import ForeignFeature, ForeignSource, Importer
from app.exchange.importing.entry import Entry, parse
from app.exchange.importing.neuronpedia_lines import (
    KINDS,
    Lines,
    dictionary_of,
    feature_index,
    feature_of,
    without_unused,
)
from app.exchange.importing.sorting import Keyed, SortedLines
from app.exchange.importing.text_files import Place, folders_at, read_lines

_BATCH = re.compile(r"(.+)\.jsonl(?:\.gz)?$")
LAYOUT = (
    "v1/{modelId}/{sourceId}/ with features/, activations/ and explanations/ of "
    "batch-{n}.jsonl(.gz); any of these folders may be given"
)


def open_neuronpedia(path: Path) -> Sequence[ForeignSource]:
    """The dictionaries at a path, in the order of their folders.

    Raises:
        AtlasError: there are none, or the first line of one can't be read.
    """
    folders = _folders(path)
    if not folders:
        raise AtlasError(f"{path} holds no Neuronpedia export, expected {LAYOUT}.")
    return [_Export(folder).source() for folder in folders]


class _Export:
    """The files of one dictionary."""

    def __init__(self, folder: Path) -> None:
        self._files = [(kind, path) for kind in KINDS for path in _batches(folder / kind)]
        if not self._files:
            raise AtlasError(f"{folder} has no batch-{{n}}.jsonl(.gz) in {', '.join(KINDS)}.")
        self._dictionary = dictionary_of(folder, self._records(folder), self._first_of_each())
        self._sorted: SortedLines | None = None

    def source(self) -> ForeignSource:
        return ForeignSource(self._dictionary, self._features)

    def _records(self, folder: Path) -> dict[str, Entry]:
        """What stands beside the batches, as far as it is there."""
        found: dict[str, Entry] = {}
        for name in ("model", "source", "sourceset"):
            for path in (folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"):
                if name not in found and path.exists() and (line := _first(path)):
                    found[name] = line
        return found

    def _first_of_each(self) -> dict[str, Entry]:
        """The first line of each kind, where there is one."""
        found: dict[str, Entry] = {}
        for kind, path in self._files:
            if kind not in found and (line := _first(path)):
                found[kind] = line
        return found

    def _features(self) -> Iterator[ForeignFeature]:
        if self._sorted is None:
            self._sorted = SortedLines(self._keyed())
        for index, keyed in groupby(self._sorted, key=lambda one: one[0][0]):
            lines = Lines()
            for (_, kind, file, number), line in keyed:
                lines.add(KINDS[kind], _parse(self._files[file][1], number, line))
            yield feature_of(index, lines, self._dictionary)

    def _keyed(self) -> Iterator[Keyed]:
        for file, (kind, path) in enumerate(self._files):
            for number, line in read_lines(path):
                index = feature_index(line, Place(path, number))
                yield (index, KINDS.index(kind), file, number), without_unused(line)


def _parse(path: Path, number: int, line: bytes) -> Entry:
    return parse(line, Place(path, number))


def _first(path: Path) -> Entry | None:
    return next((_parse(path, number, line) for number, line in read_lines(path)), None)


def _folders(path: Path) -> list[Path]:
    """Folders of one dictionary each: below the path, or the one it lies in."""
    found = folders_at(path)
    first = next(found, path)
    if first.name in KINDS and _batches(first):
        return [first.parent]
    return [folder for folder in (first, *found) if any(_batches(folder / kind) for kind in KINDS)]


def _batches(folder: Path) -> list[Path]:
    """The batches of one folder by their numbers.

    Of one that is there plain and packed, the plain one: an export that was cut off while it packed
    leaves both.
    """
    try:
        paths = sorted(folder.iterdir(), reverse=True)
    except OSError:
        return []
    found: dict[str, Path] = {}
    for path in paths:
        matched = _BATCH.fullmatch(path.name)
        if matched and not path.is_dir():
            found[matched[1]] = path
    return sorted(found.values(), key=_number)


def _number(path: Path) -> tuple[int, str]:
    digits = re.search(r"\d{1,12}", path.name)
    return (int(digits[0]) if digits else -1), path.name


NEURONPEDIA = Importer("neuronpedia", LAYOUT, open_neuronpedia, "Neuronpedia")
