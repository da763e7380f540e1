"""What a path holds that is no known dictionary, in words: for the sentence that refuses it.

Takes a path, gives phrases. Nothing is loaded: names of files and of tensors.
"""

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from safetensors import SafetensorError, safe_open

from app.errors import echoed, listed
from app.opening import NO_FILE
from app.sae.readers.below import TORCH_SUFFIXES
from app.sae.readers.pickled import pickled_words

#: How many names of files, of tensors and of code a sentence bears.
FILES, TENSORS, CODE = 8, 12, 4
#: What names are made of; anything else in their place is quoted.
_NAME = re.compile(r"[\w.:/-]{1,60}")
#: What every file of tensors imports.
_TORCH = re.compile(
    r"torch\._utils\.\w+|torch\.(\w+Storage|Size|device|b?float\w+|u?int\d+)"
    r"|collections\.OrderedDict"
)
#: What torch files say besides names: storages are numbered and placed in the same pickle.
_PLACES = ("storage", "cpu")


def seen(path: Path) -> str:
    """What lies at a path: the files of a folder, and what the weights files hold."""
    if path.is_file():
        return f"a single file {path.name}{_held(path)}"
    entries = sorted(path.iterdir())
    names = [entry.name + ("/" if entry.is_dir() else _held(entry)) for entry in entries]
    return listed(names, FILES) or "an empty folder"


def _held(file: Path) -> str:
    """The names in a weights file, in brackets; nothing for another file or a damaged one."""
    if not file.is_file():
        return f" ({NO_FILE})" if file.exists() else ""
    if code := _strange_code(file):
        return f" (naming code that no known dictionary has, none of it run: {listed(code, CODE)})"
    names = [_said(name) for name in sorted(_names(file))]
    return f" (holding {listed(names, TENSORS)})" if names else ""


def _strange_code(file: Path) -> list[str]:
    if file.suffix not in TORCH_SUFFIXES:
        return []
    named = sorted(pickled_words(file).classes)
    return [repr(echoed(name)) for name in named if not _TORCH.fullmatch(name)]


def _said(name: str) -> str:
    return name if _NAME.fullmatch(name) else repr(echoed(name))


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
    words = pickled_words(file)
    torch_own = {part for name in words.classes for part in name.rpartition(".")}
    return [text for text in words.texts - torch_own if not (text.isdecimal() or text in _PLACES)]
