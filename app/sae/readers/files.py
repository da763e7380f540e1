"""Opens the files of a dictionary safely: JSON, safetensors and torch state dicts.

Takes a path, gives plain values and tensors on the CPU. Nothing in a file is ever executed:
pickles go through torch's weights-only unpickler, which knows tensors and containers and refuses
all else. Every fault is an AtlasError naming the file. Knows nothing of what the values mean.
"""

import json
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from app.errors import AtlasError


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    _require_file(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise AtlasError(f"{path} can't be read as JSON ({error}); save it again.") from error
    if not isinstance(value, dict):
        raise AtlasError(
            f"{path} holds a JSON {type(value).__name__}, expected an object of settings."
        )
    return value


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name."""
    _require_file(path)
    try:
        return load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError) as error:
        raise AtlasError(
            f"{path} is damaged or no safetensors file ({error}); copy or download it again."
        ) from error


def read_state_dict(path: Path) -> dict[str, Any]:
    """What `torch.save(module.state_dict(), path)` wrote: tensors and plain numbers, by name."""
    _require_file(path)
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise AtlasError(
            f"{path} is damaged or holds Python objects besides tensors, which are never loaded "
            "because that could run code; save it again with torch.save(dictionary.state_dict(), "
            "path)."
        ) from error
    except Exception as error:
        # Damage shows as nearly any exception, depending on the byte that broke (EOFError,
        # RuntimeError, KeyError, UnicodeDecodeError ...); to the user it is one thing.
        raise AtlasError(
            f"{path} is damaged or no torch file ({type(error).__name__}); copy or download it "
            "again."
        ) from error
    if not isinstance(value, dict):
        raise AtlasError(
            f"{path} holds a {type(value).__name__}, expected a state dict (tensors by name)."
        )
    return {str(name): entry for name, entry in value.items()}


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise AtlasError(f"{path} is missing: the dictionary's format needs this file.")
