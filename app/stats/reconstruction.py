"""How long each token's activation is and how well it is reconstructed: three numbers a token.

    errors-00000.npy   float32 [n_contexts_in_shard, context_size, 3]: ‖x − x̂‖², ‖x‖² and ‖x̂‖² in
                       the model's scale; where a token is not counted only ‖x‖², the others NaN

x is what is reconstructed: of a transcoder the activation it predicts, not the one it reads. One
file for each event shard, beside it. Takes and gives arrays; knows neither model nor
dictionary.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int64

from app import npy
from app.durable import replacing
from app.errors import AtlasError

RESIDUAL, INPUT, RECONSTRUCTION = range(3)
"""Columns: ‖x − x̂‖², ‖x‖², ‖x̂‖²."""


class ErrorSums:
    """The numbers of one shard while it is being run."""

    def __init__(self, n_contexts: int, context_size: int) -> None:
        self._squares = np.full((n_contexts * context_size, 3), np.nan, np.float32)
        self._shape = (n_contexts, context_size, 3)

    def add_squares(
        self,
        place: Int64[np.ndarray, " n"],
        residual_squared: Float[np.ndarray, " n"],
        x_squared: Float[np.ndarray, " n"],
        reconstruction_squared: Float[np.ndarray, " n"],
    ) -> None:
        """Takes in counted tokens at places (local context · context_size + position)."""
        for column, values in enumerate((residual_squared, x_squared, reconstruction_squared)):
            self._squares[place, column] = values

    def add_uncounted(
        self, place: Int64[np.ndarray, " n"], x_squared: Float[np.ndarray, " n"]
    ) -> None:
        """Takes in tokens that don't count: position 0, special tokens, padding."""
        self._squares[place, INPUT] = x_squared

    def write(self, folder: Path, index: int) -> None:
        """Puts them on disk whole or not at all."""
        with replacing(_path(folder, index)) as file:
            np.save(file, self._squares.reshape(self._shape))


@dataclass(frozen=True)
class TokenSquares:
    """Reads the files of a dictionary. Holds maps only."""

    shards: list[np.ndarray]
    """float32 [contexts, context_size, 3] of each shard, in order"""

    @classmethod
    def open(cls, folder: Path, n_shards: int) -> "TokenSquares":
        """Maps the files of all shards.

        Raises:
            AtlasError: a file is missing, damaged or of another layout.
        """
        return cls([_mapped(_path(folder, index)) for index in range(n_shards)])

    def __iter__(self) -> Iterator[tuple[int, Float32[np.ndarray, "contexts context_size three"]]]:
        """(the first context_id, the numbers) of every shard, read into memory one by one."""
        first = 0
        for shard in self.shards:
            yield first, np.array(shard)
            first += len(shard)


def read_squares(
    folder: Path, context_id: int, contexts_per_shard: int
) -> Float32[np.ndarray, "context_size three"] | None:
    """The three numbers of one context's tokens; None where an older run kept none.

    Raises:
        AtlasError: the file is damaged.
    """
    index, row = divmod(context_id, contexts_per_shard)
    path = _path(folder, index)
    if not path.exists():
        return None
    shard = _mapped(path)
    if row >= len(shard):
        raise _unreadable(path, f"it holds {len(shard)} contexts")
    return np.array(shard[row], dtype=np.float32)


def _mapped(path: Path) -> Float32[np.ndarray, "contexts context_size three"]:
    try:
        squares = npy.mapped(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    if squares.ndim != 3 or squares.shape[2] != 3:
        raise _unreadable(path, f"its shape is {list(squares.shape)}")
    return squares


def _unreadable(path: Path, why: str) -> AtlasError:
    return AtlasError(f"{path.name} beside the events can't be read ({why}): run precompute again.")


def _path(folder: Path, index: int) -> Path:
    return folder / f"errors-{index:05d}.npy"
