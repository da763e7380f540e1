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
from app.db.records import ContextRecord
from app.db.tokens import get_tokens
from app.errors import AtlasError
from app.exchange.reader.records import Context

MOST_TOKENS_KEPT = 2_000_000
"""Tokens of the contexts kept at a time: about 50 MB."""
MOST_NAMES_KEPT = 20_000

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
        self._texts: dict[int, str] = {}
        most = max(64, MOST_TOKENS_KEPT // max(1, sae.corpus.context_size or 1))
        self._contexts = _Latest[int, Context](most)
        self._names = _Latest[int, str](MOST_NAMES_KEPT)

    def texts(self, token_ids: Integer[ndarray, " n"]) -> list[str]:
        """The exact texts of tokens; an id the vocabulary lacks has an empty one."""
        ids = token_ids.tolist()
        missing = {i for i in ids if i not in self._texts}
        if missing:
            found = get_tokens(self._connection, self._sae.model_id, missing)
            self._texts |= {i: found[i].token if i in found else "" for i in missing}
        return [self._texts[i] for i in ids]

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
        ids = record.token_ids.astype(np.int64)
        texts = tuple(self.texts(ids))
        return Context(record.context_id, ids, texts, record.document_ids.astype(np.int64))
