"""A `.npy` array of token ids somebody else made -> rows, unchanged.

Reads [n_contexts, context_size] of any integer type, chunk by chunk, and checks every id. Borders
of documents are the BOS and EOS inside the rows; their names are the array's. Never unpickles.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Integer
from numpy import ndarray

from app import npy
from app.errors import AtlasError
from app.precompute.corpus.packing import NO_DOCUMENT, Rows

_CHUNK_TOKENS = 1 << 20


def open_array(path: Path) -> Integer[ndarray, "n_contexts context_size"]:
    """The array, mapped from disk.

    Raises:
        AtlasError: not a `.npy` of integers with two axes.
    """
    try:
        array = npy.mapped(path)
    except (OSError, ValueError) as error:
        raise AtlasError(
            f"{path} can't be read as a .npy array of token ids ({error}): save one with "
            "numpy.save, an integer array [n_contexts, context_size]."
        ) from error
    if array.dtype.kind not in "iu":
        raise AtlasError(f"{path} holds {array.dtype}, expected integer token ids.")
    if array.ndim != 2:
        raise AtlasError(
            f"{path} has shape {list(array.shape)}, expected [n_contexts, context_size]."
        )
    return array


@runtime_checkable
class RowsOfIds(Protocol):
    """What is read like an array [n_contexts, context_size]: in slices of rows."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice, /) -> ndarray: ...


class ArrayRows:
    """Blocks of an array's rows. Iterate once.

    A document begins at every row and after every border token; it is called "array.npy:row", the
    k-th of a row "array.npy:row.k" (both from 1). Special tokens belong to none.
    """

    def __init__(
        self,
        array: RowsOfIds,
        name: str,
        d_vocab: int,
        border_ids: Sequence[int],
        special_ids: Sequence[int],
    ) -> None:
        self.names: deque[str] = deque()
        """names of the documents numbered so far, in order; take them from the left"""
        self._array, self._name, self._d_vocab = array, name, d_vocab
        self._border_ids, self._special_ids = border_ids, special_ids

    def __iter__(self) -> Iterator[Rows]:
        """Raises AtlasError at an id below 0 or outside the vocabulary."""
        size = max(1, _CHUNK_TOKENS // max(1, self._array.shape[1]))
        n_documents = 0
        for start in range(0, len(self._array), size):
            block = self._array[start : start + size]
            self._check(block, start)
            token_ids = block.astype(np.int64)
            begins = self._beginnings(token_ids)
            document_ids = n_documents + np.cumsum(begins).reshape(begins.shape) - 1
            document_ids[np.isin(token_ids, self._special_ids)] = NO_DOCUMENT
            self._add_names(begins, start)
            n_documents += int(begins.sum())
            yield Rows(token_ids, document_ids, np.zeros(token_ids.shape, dtype=bool))

    def _beginnings(self, token_ids: Int[ndarray, "rows context_size"]) -> ndarray:
        """Where a document begins: at the first token of a row or after a border, never on one."""
        border = np.isin(token_ids, self._border_ids)
        after_border = np.pad(border[:, :-1], ((0, 0), (1, 0)), constant_values=True)
        return ~border & after_border

    def _add_names(self, begins: ndarray, start: int) -> None:
        for row, n in enumerate(begins.sum(axis=1), start=start + 1):
            first = f"{self._name}:{row}"
            self.names.extend(first if k == 1 else f"{first}.{k}" for k in range(1, n + 1))

    def _check(self, block: ndarray, start: int) -> None:
        if not block.size:
            return
        for index in (block.argmin(), block.argmax()):
            row, column = divmod(int(index), block.shape[1])
            token_id = int(block[row, column])
            if not 0 <= token_id < self._d_vocab:
                raise AtlasError(
                    f"{self._name}, row {start + row + 1}: the array holds token id {token_id} but "
                    f"the model's vocabulary has {self._d_vocab:,}: use the model whose tokenizer "
                    "made the array."
                )
