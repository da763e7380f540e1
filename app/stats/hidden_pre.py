"""The sample of pre-activations: `hidden_pre` of every feature at all counted tokens of some
contexts.

    sums-00000.npz         sample_place, int64 [n]: the places of the shard's sampled tokens
    hidden-pre-00000.npy   float16 [d_sae, n]; no file where the shard has no sampled token

A feature's values lie side by side, so that a range of features is read without the others. Takes
and gives arrays; knows no model, and not which contexts were chosen.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Float32, Int64

from app import npy
from app.errors import AtlasError

_FEATURES_AT_ONCE = 1024


@dataclass(frozen=True)
class HiddenPreSample:
    """Reads a folder's sample. Holds maps only."""

    places: Int64[np.ndarray, " n"]
    """context_id * context_size + position, ascending"""
    shards: list[np.ndarray]
    """float16 [d_sae, tokens] of each shard that has any, in order"""

    @classmethod
    def open(cls, folder: Path, n_shards: int) -> "HiddenPreSample":
        """Maps the sample of all shards.

        Raises:
            AtlasError: a file is missing or does not fit.
        """
        places, shards = [np.zeros(0, np.int64)], []
        try:
            for index in range(n_shards):
                own = npy.archive(sums_path(folder, index), "sample_place")["sample_place"]
                if own.size:
                    shard = npy.mapped(hidden_pre_path(folder, index))
                    if shard.ndim != 2 or shard.shape[1] != own.size:
                        raise ValueError(f"shard {index} holds another number of tokens")
                    places.append(own)
                    shards.append(shard)
        except (OSError, ValueError, KeyError) as error:
            raise AtlasError(
                f"The sample of pre-activations in {folder} cannot be read ({error}): run "
                "precompute again."
            ) from error
        return cls(np.concatenate(places), shards)

    def features(self, first: int, stop: int) -> Float32[np.ndarray, "n_features n"]:
        """`hidden_pre` of the features [first, stop): 4 bytes a value, and nothing else is read."""
        found = np.empty((stop - first, self.places.size), np.float32)
        at = 0
        for shard in self.shards:
            found[:, at : at + shard.shape[1]] = shard[first:stop]
            at += shard.shape[1]
        return found


def write_hidden_pre(
    folder: Path, index: int, rows: Sequence[Float16[np.ndarray, "_ d_sae"]]
) -> None:
    """Writes the sample of a shard from rows of tokens, in blocks of features: beyond the rows it
    holds one block. Where there are no rows, there is no file."""
    path = hidden_pre_path(folder, index)
    n = sum(map(len, rows))
    if not n:
        path.unlink(missing_ok=True)
        return
    d_sae = rows[0].shape[1]
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        header = {"descr": "<f2", "fortran_order": False, "shape": (d_sae, n)}
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, d_sae, _FEATURES_AT_ONCE):
            columns = slice(first, first + _FEATURES_AT_ONCE)
            block = np.concatenate([part.T[columns] for part in rows], axis=1)
            file.write(np.ascontiguousarray(block, "<f2").data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def sums_path(folder: Path, index: int) -> Path:
    """The file of a shard's sums."""
    return folder / f"sums-{index:05d}.npz"


def hidden_pre_path(folder: Path, index: int) -> Path:
    """The file of a shard's sampled pre-activations."""
    return folder / f"hidden-pre-{index:05d}.npy"
