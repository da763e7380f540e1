"""Looks for dictionaries in the folders below one that is none itself.

Takes a folder and the readers, gives places with their formats, and which folders it left out.
Nothing is loaded.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import listed
from app.sae.readers.reader import Reader

#: How many folders deep dictionaries are looked for.
DEPTH = 3
#: How many places a sentence bears.
PLACES = 12
TORCH_SUFFIXES = (".pt", ".pth")


@dataclass(frozen=True)
class Below:
    """What was found below a folder; every place is told from there, in the order people count."""

    found: list[tuple[Path, Reader]] = field(default_factory=list)
    """dictionaries and who reads them"""
    deeper: list[Path] = field(default_factory=list)
    """folders that hold more folders and were not looked into"""
    closed: list[Path] = field(default_factory=list)
    """folders that may not be read"""

    @property
    def only(self) -> tuple[Path, Reader] | None:
        """The one dictionary there is; None where there may be others, or none."""
        alone = len(self.found) == 1 and not self.deeper and not self.closed
        return self.found[0] if alone else None

    def dictionaries(self) -> str:
        """The dictionaries as a phrase; empty where there are none."""
        named = [f"{place} ({reader.name})" for place, reader in self.found]
        noun = "dictionary" if len(named) == 1 else "dictionaries"
        return f"{len(named)} {noun}: {listed(named, PLACES)}" if named else ""

    def left_out(self) -> str:
        """What was not looked into, as the end of a sentence; empty where that is nothing."""
        said = ""
        if self.deeper:
            said += (
                f"; folders more than {DEPTH} deep were not looked into, name one to look further "
                f"({listed([str(place) for place in self.deeper], PLACES)})"
            )
        if self.closed:
            said += f"; may not be read: {listed([str(place) for place in self.closed], PLACES)}"
        return said


def below(folder: Path, readers: Sequence[Reader]) -> Below:
    """The dictionaries in the folders of a folder, at most DEPTH deep; of a file none."""
    seen = Below()
    if folder.is_dir():
        _look(folder, Path(), readers, seen)
    return seen


def _look(root: Path, place: Path, readers: Sequence[Reader], seen: Below) -> None:
    for entry in sorted((root / place).iterdir(), key=_as_counted):
        inside = place / entry.name
        try:
            _look_at(root, inside, readers, seen)
        except PermissionError:
            seen.closed.append(inside)


def _look_at(root: Path, place: Path, readers: Sequence[Reader], seen: Below) -> None:
    entry = root / place
    if not (entry.is_dir() or entry.suffix in TORCH_SUFFIXES):
        return
    reader = next((reader for reader in readers if reader.recognises(entry)), None)
    if reader is not None:
        seen.found.append((place, reader))
    elif not entry.is_dir():
        return
    elif len(place.parts) < DEPTH:
        _look(root, place, readers, seen)
    elif any(inner.is_dir() or inner.suffix in TORCH_SUFFIXES for inner in entry.iterdir()):
        seen.deeper.append(place)


def _as_counted(entry: Path) -> list[tuple[int, str]]:
    """layers.2 before layers.10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part)
        for part in re.split(r"(\d+)", entry.name)
    ]
