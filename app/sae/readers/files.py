"""Opens the files of a dictionary safely: JSON, safetensors, numpy archives, torch state dicts.

Takes a path, gives plain values and tensors on the CPU. Nothing in a file is ever executed, and
arrays of Python objects are refused. Every fault is an AtlasError naming the file, but for what
the system refuses (OSError). Knows nothing of what the values mean.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from app import npy
from app.errors import AtlasError, echoed
from app.opening import require_file
from app.sae.readers.archives import needs_memory, require_sane
from app.sae.readers.torch_files import load_torch

#: Bytes of a file's name, on every system.
LONGEST_NAME = 255


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    require_file(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
        json.dumps(value, ensure_ascii=False).encode()  # half of a character can't be said again
    except (ValueError, RecursionError) as error:
        raise AtlasError(
            f"{path} can't be read as JSON ({echoed(error)}); save it again."
        ) from error
    if not isinstance(value, dict):
        raise AtlasError(
            f"{path} holds a JSON {type(value).__name__}, expected an object of settings."
        )
    return value


def has_safetensors(path: Path) -> bool:
    """Whether this safetensors file is there, whole or in shards."""
    return path.is_file() or _index(path).is_file()


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, from its shards where it lies in several.

    Shards are named by `{file}.index.json`, whose `weight_map` gives each tensor's file. A file
    outside the folder is never opened.
    """
    if not path.is_file() and _index(path).is_file():
        return _read_shards(_index(path))
    return _read_one(path)


def _index(path: Path) -> Path:
    return path.with_name(f"{path.name}.index.json")


def _read_shards(index: Path) -> dict[str, Tensor]:
    placed = read_json(index).get("weight_map")
    if not isinstance(placed, dict) or not placed:
        raise AtlasError(f"{index} has no weight_map: it doesn't say which file holds what.")
    found: dict[str, Tensor] = {}
    for file in sorted({str(file) for file in placed.values()}):
        _require_beside(index, file)
        held = _read_one(index.with_name(file))
        for name in (name for name, place in placed.items() if str(place) == file):
            if name not in held:
                raise AtlasError(f"{index} says that {file} holds {name}, and it does not.")
            found[name] = held[name]
    return found


def _require_beside(index: Path, file: str) -> None:
    if len(os.fsencode(file)) > LONGEST_NAME:
        raise AtlasError(
            f"{index} names {echoed(file)!r}, and no file can be called so: a name has at most "
            f"{LONGEST_NAME} bytes; download the index again."
        )
    if Path(file).name != file or "\\" in file or file in ("", ".", ".."):
        raise AtlasError(
            f"{index} names {file!r}: the files of a dictionary lie beside its index, and no "
            "other is opened."
        )


def _read_one(path: Path) -> dict[str, Tensor]:
    require_file(path)
    try:
        return load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError) as error:
        raise AtlasError(
            f"{path} is damaged or no safetensors file ({error}); copy or download it again."
        ) from error


def read_npz(path: Path) -> dict[str, Tensor]:
    """The arrays of a numpy archive by name; AtlasError for arrays of Python objects."""
    require_file(path)
    require_sane(path)
    try:
        arrays = npy.archive(path)
    except MemoryError as error:
        raise needs_memory(path) from error
    except (OSError, ValueError) as error:
        raise AtlasError(
            f"{path} is damaged, holds Python objects or is no .npz archive of numbers "
            f"({type(error).__name__}); copy or download it again."
        ) from error
    return {name: _tensor(path, name, array) for name, array in arrays.items()}


def _tensor(path: Path, name: str, array: np.ndarray) -> Tensor:
    try:
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
    except TypeError as error:
        raise AtlasError(
            f"{name} in {path} is {array.dtype}, expected a floating-point array."
        ) from error


def read_state_dict(path: Path) -> dict[str, Any]:
    """What `torch.save(module.state_dict(), path)` wrote: tensors and plain numbers, by name."""
    value = load_torch(
        path,
        refusal="holds Python objects besides tensors, which are never loaded because that could "
        "run code; save it again with torch.save(dictionary.state_dict(), path).",
    )
    if not isinstance(value, dict):
        raise AtlasError(
            f"{path} holds a {type(value).__name__}, expected a state dict (tensors by name)."
        )
    return {str(name): entry for name, entry in value.items()}
