"""What a reader looks up again and again: tokens, contexts, names of documents.

Each is asked of the database once and kept: the texts of tokens for good (a vocabulary has an end),
contexts and names up to a limit, so that memory doesn't grow with the features read.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Integer
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae, document_names
from app.db.examples import get_contexts
from app.db.records import ContextRecord, TokenRecord
from app.db.tokens import get_tokens
from app.errors import AtlasError
from app.exchange.reader.records import Context

MOST_TOKENS_KEPT = 2_000_000
"""Tokens of the contexts kept at a time: about 50 MB."""
MOST_NAMES_KEPT = 20_000

Token = tuple[int | None, str]
"""the id, None where an import made it up, and the exact text"""

Key = TypeVar("Key")
Value = TypeVar("Value")


class _Latest(Generic[Key, Value]):
    """The values asked for last, up to a number of them."""

    def __init__(self, most: int) -> None:
        self._most, self._values = most, OrderedDict[Key, Value]()

    def get(self, key: Key) -> Value | None:
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: Key, value: Value) -> Value:
        self._values[key] = value
        while len(self._values) > self._most:
            self._values.popitem(last=False)
        return value


class Lookups:
    """Tokens, contexts and documents of one dictionary."""

    def __init__(self, connection: Connection, sae: Sae) -> None:
        self._connection, self._sae = connection, sae
        self._tokens: dict[int, Token] = {}
        most = max(64, MOST_TOKENS_KEPT // max(1, sae.corpus.context_size or 1))
        self._contexts = _Latest[int, Context](most)
        self._names = _Latest[int, str](MOST_NAMES_KEPT)

    def tokens(self, token_ids: Integer[ndarray, " n"]) -> list[Token]:
        """Tokens by the ids they are stored under; one the vocabulary lacks has an empty text."""
        ids = token_ids.tolist()
        missing = {i for i in ids if i not in self._tokens}
        if missing:
            found = get_tokens(self._connection, self._sae.model_id, missing)
            self._tokens |= {i: self._token(i, found.get(i)) for i in missing}
        return [self._tokens[i] for i in ids]

    def _token(self, token_id: int, record: TokenRecord | None) -> Token:
        """An import's entry without a string of the vocabulary was numbered as it appeared."""
        if record is None:
            return token_id, ""
        own = self._sae.model.imported and not record.piece
        return None if own else token_id, record.token

    def context(self, context_id: int) -> Context:
        """A stored context.

        Raises:
            AtlasError: the atlas doesn't have it, though an example lies in it.
        """
        found = self._contexts.get(context_id)
        if found is None:
            self.read_contexts([context_id])
            found = self._contexts.get(context_id)
        if found is None:
            raise AtlasError(
                f"The atlas has an example of {self._sae.address} in context {context_id:,}, which "
                "it doesn't hold: `feature-atlas check` says where it is damaged."
            )
        return found

    def read_contexts(self, context_ids: Iterable[int]) -> None:
        """Reads at once those of them that aren't kept."""
        missing = [i for i in set(context_ids) if self._contexts.get(i) is None]
        if not missing:
            return
        found = get_contexts(self._connection, self._sae.corpus_id, missing)
        self.document_names(
            int(i) for record in found.values() for i in np.unique(record.document_ids)
        )
        for context_id in missing:
            if context_id in found:
                self._contexts.put(context_id, self._context(found[context_id]))

    def document_names(self, document_ids: Iterable[int]) -> None:
        """Reads at once the names of those documents that aren't kept."""
        missing = [i for i in set(document_ids) if i >= 0 and self._names.get(i) is None]
        if missing:
            found = document_names(self._connection, self._sae.corpus_id, missing)
            for document_id, name in found.items():
                self._names.put(document_id, name)

    def document(self, document_id: int) -> str | None:
        """The name of a document; None for BOS, separators, padding and unknown ones."""
        if document_id < 0:
            return None
        name = self._names.get(document_id)
        if name is None:
            self.document_names([document_id])
            name = self._names.get(document_id)
        return name or None

    def _context(self, record: ContextRecord) -> Context:
        tokens = self.tokens(record.token_ids)
        return Context(
            record.context_id,
            self._sae.corpus.first_position,
            tuple(token_id for token_id, _ in tokens),
            tuple(text for _, text in tokens),
            record.document_ids.astype(np.int64),
        )
