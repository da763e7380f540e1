"""A folder of a delphi cache: its modules, each the firings of one dictionary.

    {module}/{first}_{last}.safetensors   firings of a range of features (see `split.py`)
    {module}/config.json                  dataset_repo, dataset_split, cache_ctx_len, model_name, …

A module's name is delphi's hookpoint ("layers.5", "layers.5.mlp"). Takes a path, gives what the
files say, block by block; computes nothing.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from app.errors import AtlasError, echoed
from app.exchange.delphi.split import SPLIT_NAME, Firings, Split
from app.opening import require_file

SEQUENCES_AT_ONCE = 2**12


@dataclass(frozen=True)
class DelphiModule:
    """The cache of one dictionary."""

    name: str
    """delphi's hookpoint"""
    folder: Path
    config: dict[str, Any]
    """config.json, empty where there is none"""
    splits: Sequence[Split]
    """by features, which they hold without gaps from 0 on"""

    @property
    def d_sae(self) -> int:
        """Features of the dictionary: the last one any file is named after, and those before."""
        return self.splits[-1].last + 1

    @property
    def n_sequences(self) -> int:
        return self.splits[0].n_sequences

    @property
    def context_size(self) -> int:
        return self.splits[0].context_size

    @property
    def is_half(self) -> bool:
        """Whether any file keeps activations in half precision."""
        return any(split.dtype == "F16" for split in self.splits)

    def tokens(self) -> Iterator[Int64[np.ndarray, "n context_size"]]:
        """The token ids of all sequences, block by block."""
        for start in range(0, self.n_sequences, SEQUENCES_AT_ONCE):
            yield self.splits[0].tokens(start, start + SEQUENCES_AT_ONCE)

    def rows(self, start: int, stop: int) -> Int64[np.ndarray, "n context_size"]:
        """The token ids of the sequences [start, stop)."""
        return self.splits[0].tokens(start, stop)

    def firings(self, start: int, stop: int) -> Iterator[Firings]:
        """Those in the sequences [start, stop), features of the same file together."""
        for split in self.splits:
            yield from split.firings(start, stop)

    def check(self) -> None:
        """Goes through every firing once, so that none is found wrong when others were used.

        Raises:
            AtlasError: one can't be.
        """
        for split in self.splits:
            _ = split.is_ordered

    def tokens_hash(self) -> str:
        """Of shape and ids: the same for modules that were cached over the same texts."""
        digest = hashlib.sha256(f"{self.n_sequences} {self.context_size}".encode())
        for block in self.tokens():
            digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()


def is_cache(folder: Path) -> bool:
    """Whether a folder, or one below it, holds files of a delphi cache."""
    return next(_module_folders(folder), None) is not None


def open_cache(folder: Path) -> list[DelphiModule]:
    """The modules of a cache, by name; of a module's own folder that one.

    Raises:
        AtlasError: there is none, a file is no part of a cache, files of a module disagree or are
            missing.
    """
    found = [_module(each, folder) for each in sorted(_module_folders(folder))]
    if not found:
        raise AtlasError(
            f"{folder} is no delphi cache: expected MODULE/FIRST_LAST.safetensors with locations, "
            "activations and tokens."
        )
    return found


def _module_folders(folder: Path) -> Iterator[Path]:
    """Folders with a file named like a split."""
    if not folder.is_dir():
        return
    seen: set[Path] = set()
    for path in folder.rglob("*.safetensors"):
        if SPLIT_NAME.fullmatch(path.name) and path.parent not in seen:
            seen.add(path.parent)
            yield path.parent


def _module(folder: Path, cache: Path) -> DelphiModule:
    paths = [path for path in folder.iterdir() if SPLIT_NAME.fullmatch(path.name)]
    splits = sorted((Split.open(path) for path in paths), key=lambda split: split.first)
    expected = 0
    for split in splits:
        if split.first > expected:
            raise AtlasError(
                f"{folder}: no file holds feature {expected}, the next begins at {split.first}: a "
                "cache holds every feature from 0 on; put the missing file back."
            )
        if split.first < expected:
            raise AtlasError(
                f"{split.path} begins at feature {split.first}, but the file before it ends at "
                f"{expected - 1}: one of them is of another cache."
            )
        expected = split.last + 1
        shape = (splits[0].n_sequences, splits[0].context_size)
        if (split.n_sequences, split.context_size) != shape:
            raise AtlasError(
                f"{split.path} holds tokens {[split.n_sequences, split.context_size]}, but "
                f"{splits[0].path.name} {list(shape)}: they are of different caches."
            )
    name = "/".join(folder.relative_to(cache).parts) or folder.absolute().name
    return DelphiModule(name, folder, _config(folder / "config.json"), splits)


def _config(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    require_file(path)
    try:
        config = json.loads(path.read_bytes())
        json.dumps(config, ensure_ascii=False).encode()  # half of a character can't be said again
    except (ValueError, RecursionError) as error:
        raise AtlasError(f"{path} is not valid JSON: {echoed(error)}.") from error
    if not isinstance(config, dict):
        raise AtlasError(f"{path} is not a JSON object.")
    return config
