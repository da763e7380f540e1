"""The texts of a vocabulary, looked up by what they are without the spaces around them.

Takes the exact bytes of every token id. Special tokens have no text: no reading says yes to them.
Knows no corpus.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from functools import cached_property


class Vocabulary:
    """The bytes of every token id; ids without any stand for nothing."""

    def __init__(self, token_bytes: Sequence[bytes], special_ids: Collection[int]) -> None:
        self.token_bytes = [
            b"" if token_id in special_ids else text for token_id, text in enumerate(token_bytes)
        ]
        self.special_ids = frozenset(special_ids)

    @property
    def size(self) -> int:
        return len(self.token_bytes)

    def exactly(self, text: bytes) -> list[int]:
        """Ids with this text."""
        return [i for i in self._alike(text) if self.token_bytes[i] == text]

    def spaced(self, text: bytes, *, before: bool, after: bool) -> list[int]:
        """Ids with this text and any white space on the sides named."""
        found = []
        for i in self._alike(text):
            own = self.token_bytes[i]
            head = own.lstrip() if before else own
            # spaces the text itself begins or ends with are not spaces around it
            whole = head.rstrip() if after else head
            if whole == text or own == text:
                found.append(i)
        return found

    def _alike(self, text: bytes) -> list[int]:
        return self._by_core.get(text.strip(), []) if text else []

    @cached_property
    def _by_core(self) -> dict[bytes, list[int]]:
        found: defaultdict[bytes, list[int]] = defaultdict(list)
        for token_id, text in enumerate(self.token_bytes):
            if text:
                found[text.strip()].append(token_id)
        return dict(found)
