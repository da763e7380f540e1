r"""The vocabulary of a model whose tokenizer isn't at hand: the texts other tools' files hold.

A text gets the id its source gives, else that of the tokenizer or of the atlas where exactly one
token reads so, else a number of its own behind all others, in order of appearance. Takes texts,
gives ids and the entries that are new. Knows no file and no feature.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int32

from app.db.records import TokenRecord
from app.errors import AtlasError, echoed

BEHIND_IDS = 1 << 20
"""No tokenizer has as many ids."""

_BROKEN = "\ufffd"
"""What decoders print for bytes that are no text by themselves: it names no token."""


class Vocabulary:
    """Ids of texts; grows with every text it hasn't met, unless it is closed.

    Args:
        known: entries there are, of a tokenizer or of the atlas.
        readings: other texts by which sources may mean an entry.
        closed: the model's own vocabulary, which no import may add to; says whose, for a sentence.
        own_from: the first number for texts without an id; `BEHIND_IDS` where a source gives ids.
    """

    def __init__(
        self,
        known: Iterable[TokenRecord] = (),
        readings: Iterable[tuple[str, int]] = (),
        closed: str = "",
        own_from: int = 0,
    ) -> None:
        self._closed = closed
        self._ids: dict[str, int] = {}
        self._texts: dict[int, str] = {}
        self._ambiguous: set[str] = set()
        numbered: list[TokenRecord] = []
        for token in known:
            self._texts[token.token_id] = token.token
            if token.piece:
                self._read(token.token, token.token_id)
            else:
                numbered.append(token)
        for text, token_id in readings:
            self._read(text, token_id)
        for token in numbered:
            self._ids[token.token] = token.token_id
            self._ambiguous.discard(token.token)
        self._new: list[TokenRecord] = []
        self._from_files: set[int] = set()
        self._next = max(max(self._texts, default=-1) + 1, own_from)

    def __len__(self) -> int:
        return len(self._texts)

    def _read(self, text: str, token_id: int) -> None:
        """One more way to read an entry; a text two entries share means neither."""
        if self._ids.setdefault(text, token_id) != token_id:
            self._ambiguous.add(text)

    def ids(
        self, where: str, texts: Sequence[str], token_ids: Sequence[int] | None = None
    ) -> Int32[np.ndarray, " n"]:
        """The ids of some texts; the source's own where it gives them.

        Args:
            where: what has the texts, for a sentence.

        Raises:
            AtlasError: the model's own vocabulary doesn't have a text, or has another under its id.
        """
        if token_ids is not None:
            for text, token_id in zip(texts, token_ids, strict=True):
                self._check(where, text, token_id)
            return np.asarray(token_ids, np.int32)
        known = self._ids.get
        if not self._ambiguous:
            found = [known(text) for text in texts]
            if None not in found:
                return np.array(found, np.int32)
        return np.array([self.id_of(where, text) for text in texts], np.int32)

    def id_of(self, where: str, text: str) -> int:
        """The id of one text, likewise."""
        found = self._ids.get(text)
        if found is not None and text not in self._ambiguous:
            return found
        if self._closed:
            why = "several of its tokens read so" if found is not None else "it has no such token"
            raise AtlasError(
                f"{where} has the token {echoed(text)!r}, which isn't one of {self._closed} "
                f"({why}): import under another model with --name."
            )
        self._ambiguous.discard(text)
        token_id, self._next = self._next, self._next + 1
        return self._add(text, token_id)

    def take_new(self) -> list[TokenRecord]:
        """The entries that came since it was asked last."""
        new, self._new = self._new, []
        return new

    def _check(self, where: str, text: str, token_id: int) -> None:
        known = self._texts.get(token_id)
        if known is None and not self._closed:
            self._add(text, token_id, given=True)
        elif known != text and (known is None or _BROKEN not in text + known):
            others = f"reads {echoed(known)!r}" if known is not None else "isn't there"
            if token_id in self._from_files:
                said = f"before it {others}, so the files contradict each other: write them again."
            else:
                said = (
                    f"in the vocabulary of the model it {others}: import under another model with "
                    "--name."
                )
            raise AtlasError(f"{where} has token {token_id} as {echoed(text)!r}, {said}")

    def _add(self, text: str, token_id: int, given: bool = False) -> int:
        if given:
            self._from_files.add(token_id)
            self._read(text, token_id)
        else:
            self._ids[text] = token_id
        self._texts[token_id] = text
        exact = b"" if _BROKEN in text else text.encode()
        piece = text if given else ""
        self._new.append(TokenRecord(token_id, text, piece, exact, False, False))
        return token_id
