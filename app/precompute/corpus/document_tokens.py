"""Documents -> token parts: the tokenizer, a batch of texts at a time.

Numbers the documents that have tokens and keeps their names until somebody takes them. Knows
neither rows nor files; where long documents are cut is `documents.py`'s business.
"""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from app.errors import AtlasError
from app.precompute.corpus.documents import Document
from app.precompute.corpus.packing import TokenPart

_BATCH_PARTS = 256
_BATCH_CHARACTERS = 1_000_000


class DocumentTokens:
    """The tokens of documents, part by part, without special tokens of the tokenizer's own.

    Iterate once. Documents without a token are left out. A batch ends at 256 texts or a million
    characters, whichever comes first; it changes the speed, never the tokens.
    """

    def __init__(
        self, documents: Iterable[Document], tokenizer: PreTrainedTokenizerBase, d_vocab: int
    ) -> None:
        self.names: deque[str] = deque()
        """names of the documents numbered so far, in order; take them from the left"""
        self.n_tokens = 0
        """tokens handed out so far"""
        self._documents, self._tokenizer, self._d_vocab = documents, tokenizer, d_vocab

    def __iter__(self) -> Iterator[TokenPart]:
        """Raises AtlasError when the tokenizer gives an id outside the model's vocabulary."""
        row, empty_so_far = -1, True
        for batch in _batches(self._documents):
            for part, ids in zip(batch, self._encode(batch), strict=True):
                empty_so_far = empty_so_far or not part.continues
                if not ids:
                    continue
                if empty_so_far:
                    row += 1
                    self.names.append(part.name)
                token_ids = np.array(ids, dtype=np.int64)
                self._check(token_ids, part.name)
                self.n_tokens += len(ids)
                yield TokenPart(row, starts=empty_so_far, token_ids=token_ids)
                empty_so_far = False

    def _encode(self, batch: list[Document]) -> list[list[int]]:
        # verbose=False: texts longer than the model's context are meant, so no warning about them
        return self._tokenizer(
            [part.text for part in batch],
            add_special_tokens=False,
            padding=False,
            truncation=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]

    def _check(self, token_ids: np.ndarray, name: str) -> None:
        if token_ids.max() >= self._d_vocab:
            raise AtlasError(
                f"In {name} the tokenizer gives token id {token_ids.max()} but the model's "
                f"vocabulary has {self._d_vocab:,}: use the tokenizer the model was trained with."
            )


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    n_characters = 0
    for document in documents:
        batch.append(document)
        n_characters += len(document.text)
        if len(batch) >= _BATCH_PARTS or n_characters >= _BATCH_CHARACTERS:
            yield batch
            batch, n_characters = [], 0
    if batch:
        yield batch
