"""Opens what `torch.save` wrote, by torch's weights-only unpickler and nothing else.

Takes a path, gives what it holds, on the CPU. The unpickler knows tensors and containers, and what
is lent to it; every other name is refused before anything is made of it. Knows no format.
"""

import pickle
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from app.errors import AtlasError, out_of_memory
from app.opening import require_file
from app.sae.readers.archives import needs_memory, require_stored

#: How what torch.save writes begins since 2020; before, it was a row of pickles.
_ARCHIVE = b"PK\x03\x04"


def load_torch(
    path: Path, *, refusal: str, lent: Sequence[tuple[Callable[..., Any], str]] = ()
) -> Any:
    """What a file holds; AtlasError for damage and for anything that could run code.

    Args:
        refusal: what follows "is damaged or" where it holds more than it may.
        lent: (what stands in, full name) of what a file may name besides tensors and containers.
    """
    require_file(path)
    if _is_archive(path):
        require_stored(path)
    try:
        with torch.serialization.safe_globals(list(lent)), warnings.catch_warnings():  # pyright: ignore[reportArgumentType]
            warnings.simplefilter("ignore")  # torch's remarks on how it was pickled
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise AtlasError(f"{path} is damaged or {refusal}") from error
    except Exception as error:
        if out_of_memory(error):
            raise needs_memory(path) from error
        # Damage shows as nearly any exception, depending on the byte that broke (EOFError,
        # RuntimeError, KeyError, UnicodeDecodeError ...); to the user it is one thing.
        raise AtlasError(
            f"{path} is damaged or no torch file ({type(error).__name__}); copy or download it "
            "again."
        ) from error


def _is_archive(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_ARCHIVE)) == _ARCHIVE
