"""The texts of examples as stored contexts, each once.

Takes an example, gives the number of its context, and hands new ones on in batches. Holds 24
bytes for each text (see `seen.py`). Knows no feature and no table.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b

import numpy as np

from app.db.records import ContextRecord
from app.exchange.building.seen import Seen
from app.exchange.building.vocabulary import Vocabulary
from app.exchange.foreign import ForeignExample

_AT_ONCE = 512


class Contexts:
    """Numbers texts from 0 on, in order of appearance.

    Args:
        store: takes new contexts.
    """

    def __init__(self, store: Callable[[Sequence[ContextRecord]], None]) -> None:
        self._store = store
        self._seen = Seen()
        self._waiting: list[ContextRecord] = []
        self._documents: dict[str, int] = {}
        self._first_positions: set[int | None] = set()
        self._digest = blake2b(digest_size=16)
        self.n_contexts = 0
        self.longest = 0

    @property
    def documents(self) -> list[str]:
        """Names, in order of their numbers."""
        return list(self._documents)

    @property
    def first_position(self) -> int | None:
        """Where in the model's input all texts begin; None where that differs or isn't known."""
        return next(iter(self._first_positions)) if len(self._first_positions) == 1 else None

    def digest(self) -> str:
        """Of all texts in their order."""
        return self._digest.hexdigest()

    def add(self, where: str, example: ForeignExample, vocabulary: Vocabulary) -> int:
        """The number of an example's text; the same text of another document is another.

        Args:
            where: the feature's place, for a sentence.

        Raises:
            AtlasError: the vocabulary has other tokens.
        """
        number, tokens, given = -1, example.tokens, example.token_ids
        if example.document:
            number = self._documents.setdefault(example.document, len(self._documents))
        text = "\0".join(tokens).encode()
        ids = b"" if given is None else np.asarray(given, np.int64).tobytes()
        salt = b"%d %d" % (number, len(tokens))
        digest = blake2b(text + ids, digest_size=16, salt=salt[:16]).digest()
        found = self._seen.get(digest)
        if found is not None:
            return found
        token_ids = vocabulary.ids(where, tokens, given)
        context_id, self.n_contexts = self.n_contexts, self.n_contexts + 1
        self._seen.put(digest, context_id)
        self._digest.update(digest)
        self._first_positions.add(example.first_position)
        self.longest = max(self.longest, token_ids.size)
        self._waiting.append(
            ContextRecord(context_id, token_ids, np.full(token_ids.size, number, np.int32))
        )
        if len(self._waiting) == _AT_ONCE:
            self.flush()
        return context_id

    def flush(self) -> None:
        """Hands on what waits."""
        if self._waiting:
            self._store(self._waiting)
            self._waiting = []
