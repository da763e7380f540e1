"""How well a dictionary reconstructs each token: two numbers a token, one file per shard.

    errors-00000.npy   float32 [n_contexts_in_shard, context_size, 2]: ‖x − x̂‖² and ‖x‖² in the
                       model's scale; NaN where a token is not counted

Lies beside the event shards. Takes and gives arrays; knows neither model nor dictionary.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int64

from app.durable import replacing
from app.errors import AtlasError


class ErrorSums:
    """The reconstruction errors of one shard while it is being run."""

    def __init__(self, n_contexts: int, context_size: int) -> None:
        self._squares = np.full((n_contexts * context_size, 2), np.nan, np.float32)
        self._shape = (n_contexts, context_size, 2)

    def add_squares(
        self,
        place: Int64[np.ndarray, " n"],
        residual_squared: Float[np.ndarray, " n"],
        x_squared: Float[np.ndarray, " n"],
    ) -> None:
        """Takes in tokens at places (local context · context_size + position) of the shard."""
        self._squares[place, 0] = residual_squared
        self._squares[place, 1] = x_squared

    def write(self, folder: Path, index: int) -> None:
        """Puts them on disk whole or not at all."""
        with replacing(_path(folder, index)) as file:
            np.save(file, self._squares.reshape(self._shape))


def read_squares(
    folder: Path, context_id: int, contexts_per_shard: int
) -> Float32[np.ndarray, "context_size two"] | None:
    """‖x − x̂‖² and ‖x‖² of one context's tokens; None where an older run kept none.

    Raises:
        AtlasError: the file is damaged.
    """
    index, row = divmod(context_id, contexts_per_shard)
    path = _path(folder, index)
    if not path.exists():
        return None
    try:
        squares = np.load(path, mmap_mode="r")
        return np.array(squares[row], dtype=np.float32)
    except (OSError, ValueError, IndexError) as error:
        raise AtlasError(
            f"{path.name} beside the events can't be read ({error}): run precompute again."
        ) from error


def _path(folder: Path, index: int) -> Path:
    return folder / f"errors-{index:05d}.npy"
