"""Token streams -> rows of equal length: packed end to end, or document by document.

Takes parts of tokenised documents in order and gives blocks of rows with, for every token, the
document it came from. Pure numpy, bounded memory. Knows neither texts nor files, and not which
tokens count.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

NO_DOCUMENT = -1
"""document row of BOS, separators and padding"""


@dataclass(frozen=True)
class TokenPart:
    """Tokens of one document, or of the next part of a long one; never empty."""

    document: int
    """row in the list of documents"""
    starts: bool
    """the document's first part"""
    token_ids: Int[ndarray, " n"]


@dataclass(frozen=True)
class Rows:
    """Some finished contexts."""

    token_ids: Int[ndarray, "rows context_size"]
    document_ids: Int[ndarray, "rows context_size"]
    is_padding: Bool[ndarray, "rows context_size"]


@dataclass(frozen=True)
class RowLayout:
    """What every row looks like."""

    context_size: int
    bos_token_id: int | None
    """id in front of every row; None for no BOS"""
    separator_token_id: int | None
    """id between documents (packed only); None for nothing"""
    pad_token_id: int
    """fills the last row of a document (by document only)"""

    @property
    def body(self) -> int:
        """Tokens of a row that come from documents."""
        return self.context_size - (self.bos_token_id is not None)


def pack(parts: Iterable[TokenPart], layout: RowLayout) -> Iterator[Rows]:
    """Documents joined by the separator and cut into rows; the incomplete rest is dropped."""
    rest = _stream(())
    separator: tuple[int, ...] = ()
    for part in parts:
        between = separator if part.starts else ()
        rest = np.concatenate(
            (rest, _stream(between), _stream(part.token_ids, part.document)), axis=1
        )
        if layout.separator_token_id is not None:
            separator = (layout.separator_token_id,)
        n_full = rest.shape[1] // layout.body * layout.body
        if n_full:
            yield _rows(rest[:, :n_full], layout)
            rest = rest[:, n_full:]


def by_document(parts: Iterable[TokenPart], layout: RowLayout) -> Iterator[Rows]:
    """Every document in rows of its own, the last of them padded at its end."""
    rest = _stream(())
    for part in parts:
        if part.starts and rest.shape[1]:
            yield _rows(rest, layout)
            rest = _stream(())
        rest = np.concatenate((rest, _stream(part.token_ids, part.document)), axis=1)
        n_full = rest.shape[1] // layout.body * layout.body
        if n_full:
            yield _rows(rest[:, :n_full], layout)
            rest = rest[:, n_full:]
    if rest.shape[1]:
        yield _rows(rest, layout)


def _stream(
    token_ids: Int[ndarray, " n"] | tuple[int, ...], document: int = NO_DOCUMENT
) -> Int[ndarray, "two n"]:
    """Tokens above the document each belongs to."""
    ids = np.asarray(token_ids, dtype=np.int64)
    return np.stack((ids, np.full_like(ids, document)))


def _rows(stream: Int[ndarray, "two n"], layout: RowLayout) -> Rows:
    """The stream cut into rows, BOS put in front, what is missing in the last row padded."""
    n_missing = -stream.shape[1] % layout.body
    is_padding = np.arange(stream.shape[1] + n_missing) >= stream.shape[1]
    padding = _stream((layout.pad_token_id,) * n_missing)
    tokens, documents = np.concatenate((stream, padding), axis=1).reshape(2, -1, layout.body)
    is_padding = is_padding.reshape(-1, layout.body)
    if layout.bos_token_id is not None:
        first = ((0, 0), (1, 0))
        tokens = np.pad(tokens, first, constant_values=layout.bos_token_id)
        documents = np.pad(documents, first, constant_values=NO_DOCUMENT)
        is_padding = np.pad(is_padding, first)
    return Rows(tokens, documents, is_padding)
