"""What is read once per build of an atlas and kept: a dictionary's ranks, a vocabulary's entries.

An atlas never changes while it is open, and its build id says when another has taken its place.
Takes a connection where something is missing yet. Knows no page.
"""

from collections.abc import Iterable
from threading import Lock

from sqlalchemy import Connection

from app.db.features import column_values
from app.db.records import TokenRecord
from app.db.tokens import get_tokens
from app.web.ranks import RANKED, Ranks

MOST_TOKENS = 100_000
"""Entries kept, about 50 MB; a larger vocabulary is read again piece by piece."""


class Memory:
    """What is kept of one build; safe to share between threads."""

    def __init__(self) -> None:
        self._ranks: dict[int, Ranks] = {}
        self._tokens: dict[tuple[int, int], TokenRecord] = {}
        self._lock = Lock()

    def ranks(self, connection: Connection, sae_id: int) -> Ranks:
        """Where values stand among the living features of a dictionary."""
        with self._lock:
            if sae_id not in self._ranks:
                self._ranks[sae_id] = Ranks(column_values(connection, sae_id, RANKED))
            return self._ranks[sae_id]

    def tokens(
        self, connection: Connection, model_id: int, token_ids: Iterable[int]
    ) -> dict[int, TokenRecord]:
        """Vocabulary entries by id; unknown ids are absent."""
        kept = self._tokens
        found = {i: kept[model_id, i] for i in token_ids if (model_id, i) in kept}
        missing = [i for i in token_ids if i not in found]
        if missing:
            new = get_tokens(connection, model_id, missing)
            with self._lock:
                if len(self._tokens) + len(new) > MOST_TOKENS:
                    self._tokens = {}
                self._tokens |= {(model_id, i): token for i, token in new.items()}
            found |= new
        return found


class MemoryOfBuild:
    """The memory of the build that is shown now; that of a build gone by is dropped."""

    def __init__(self) -> None:
        self._build_id = ""
        self._memory = Memory()
        self._lock = Lock()

    def get(self, build_id: str) -> Memory:
        """The memory of a build, empty at first."""
        with self._lock:
            if build_id != self._build_id:
                self._build_id, self._memory = build_id, Memory()
            return self._memory
