"""What a path holds that is no single known dictionary, in words: for the sentence that refuses it.

Takes a path and the readers, gives phrases. Nothing is loaded: names of files, of tensors, of
dictionaries in the folders below.
"""

import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open

from app.sae.readers.pickled import pickled_words
from app.sae.readers.reader import Reader

#: How many names of files, of tensors and of dictionaries a sentence bears.
FILES, TENSORS, DICTIONARIES = 8, 12, 12
#: How many folders deep dictionaries are looked for.
DEPTH = 3
TORCH_SUFFIXES = (".pt", ".pth")


def seen(path: Path) -> str:
    """What lies at a path: the files of a folder, and what the weights files hold."""
    if path.is_file():
        return f"a single file {path.name}{_held(path)}"
    entries = sorted(path.iterdir())
    names = [entry.name + ("/" if entry.is_dir() else _held(entry)) for entry in entries]
    return _listed(names, FILES) or "an empty folder"


def several(path: Path, readers: Sequence[Reader]) -> str:
    """The dictionaries in the folders below, as a phrase; empty where there are none."""
    found = [f"{place} ({name})" for place, name in _within(path, readers, DEPTH)]
    noun = "dictionary" if len(found) == 1 else "dictionaries"
    return f"{len(found)} {noun}: {_listed(found, DICTIONARIES)}" if found else ""


def _within(folder: Path, readers: Sequence[Reader], depth: int) -> list[tuple[Path, str]]:
    """(place within the folder, format) of the dictionaries below it, as people count."""
    if not folder.is_dir():
        return []
    found: list[tuple[Path, str]] = []
    for entry in sorted(folder.iterdir(), key=_as_counted):
        if not (entry.is_dir() or entry.suffix in TORCH_SUFFIXES):
            continue
        reader = next((reader for reader in readers if reader.recognises(entry)), None)
        if reader is not None:
            found.append((Path(entry.name), reader.name))
        elif depth > 1:
            below = _within(entry, readers, depth - 1)
            found += [(entry.name / place, name) for place, name in below]
    return found


def _as_counted(entry: Path) -> list[tuple[int, str]]:
    """layers.2 before layers.10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part)
        for part in re.split(r"(\d+)", entry.name)
    ]


def _held(file: Path) -> str:
    """The names in a weights file, in brackets; nothing for another file or a damaged one."""
    names = sorted(_names(file))
    return f" (holding {_listed(names, TENSORS)})" if names else ""


def _names(file: Path) -> Iterable[str]:
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as opened:
                return list(opened.keys())
        if file.suffix == ".npz":
            with zipfile.ZipFile(file) as archive:
                return [name.removesuffix(".npy") for name in archive.namelist()]
    except (SafetensorError, OSError, zipfile.BadZipFile):
        return []
    if file.suffix not in TORCH_SUFFIXES:
        return []
    # Storages are numbered and placed in the same pickle.
    texts = pickled_words(file).texts
    return [text for text in texts if not text.isdecimal() and text not in ("storage", "cpu")]


def _listed(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
