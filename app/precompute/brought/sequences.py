"""A user's sequences of tokens -> contexts, as the tokens stage stores them.

Takes a vocabulary of strings and sequences of ids or strings; gives parts of documents, one
document a sequence. A sequence that is one string is taken character by character, as proteins
are written. Knows no model.
"""

import hashlib
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from app.errors import AtlasError
from app.precompute.corpus.packing import TokenPart
from app.precompute.model.vocabulary import Vocabulary

PADDING = "<padding>"
"""The text of the token that fills up shorter contexts; no function ever sees it."""


@dataclass(frozen=True)
class Words:
    """The vocabulary as the user gave it."""

    texts: Sequence[str]
    special_ids: Collection[int]

    @classmethod
    def of(cls, vocabulary: Sequence[str], special: Collection[str | int]) -> "Words":
        """Looks the special tokens up.

        Raises:
            AtlasError: there are no strings, or a special token is not among them.
        """
        if not _is_list(vocabulary) or not all(isinstance(text, str) for text in vocabulary):
            raise AtlasError("vocabulary is no list of strings, one for each token id.")
        if not _is_list(special):
            raise AtlasError(f"special is {special!r}, expected a list of tokens.")
        if not len(vocabulary):
            raise AtlasError("vocabulary is empty.")
        for token_id, text in enumerate(vocabulary):
            if not text.isascii() and text.encode("utf-8", "replace").decode() != text:
                raise AtlasError(f"vocabulary: token {token_id} is no text: {text!r}.")
        words = cls(list(vocabulary), ())
        return cls(words.texts, sorted({words.id_of(token, "special") for token in special}))

    @cached_property
    def by_text(self) -> Mapping[str, int]:
        """The first id of every text."""
        found: dict[str, int] = {}
        for token_id, text in enumerate(self.texts):
            found.setdefault(text, token_id)
        return found

    def id_of(self, token: object, where: str) -> int:
        """The id of a token. AtlasError, naming where it stood, if there is none."""
        if isinstance(token, str):
            if token in self.by_text:
                return self.by_text[token]
            raise AtlasError(f"{where}: the token {token!r} is not in vocabulary.")
        if (
            isinstance(token, int | np.integer)
            and not isinstance(token, bool)
            and 0 <= token < len(self.texts)
        ):
            return int(token)
        raise AtlasError(
            f"{where}: {token!r} is no token: expected an id below {len(self.texts):,} or a string "
            "of vocabulary."
        )

    def vocabulary(self, padded: bool) -> Vocabulary:
        """What pages show; with the padding behind the last, where any text is padded."""
        texts = [*self.texts, *([PADDING] if padded else [])]
        special = np.zeros(len(texts), bool)
        special[list(self.special_ids)] = True
        special[len(self.texts) :] = True
        seen = np.array([text in self.by_text and self.by_text[text] == i
                         for i, text in enumerate(texts)])  # fmt: skip
        data = [text.encode("utf-8", "surrogatepass") for text in texts]
        return Vocabulary(texts, data, texts, special, seen & ~special)


@dataclass(frozen=True)
class Sequences:
    """The corpus, in memory."""

    names: Sequence[str]
    ids: Sequence[Int64[ndarray, " _n"]]
    waiting: deque[str] = field(default_factory=deque)
    """names of the sequences handed on so far; take them from the left"""

    @classmethod
    def of(cls, given: Mapping[str, Iterable] | Iterable[Iterable], words: Words) -> "Sequences":
        """Every sequence as ids, under its key or "sequence 1" and so on.

        Raises:
            AtlasError: there is none, or one holds what is no token.
        """
        if isinstance(given, str):
            raise AtlasError("sequences is one string: give a list of sequences.")
        if not isinstance(given, Iterable):
            raise AtlasError(f"sequences is {given!r}: give a list of sequences.")
        pairs = (
            given.items()
            if isinstance(given, Mapping)
            else ((f"sequence {i}", tokens) for i, tokens in enumerate(given, 1))
        )
        names, ids = list[str](), list[np.ndarray]()
        for name, tokens in pairs:
            names.append(str(name))
            where = f"sequences, {name}"
            if not isinstance(tokens, Iterable):
                raise AtlasError(f"{where}: {tokens!r} is no sequence of tokens.")
            plain = [words.id_of(_plain(token, where), where) for token in tokens]
            ids.append(np.array(plain, np.int64))
        if not sum(map(len, ids)):
            raise AtlasError("sequences holds no token.")
        return cls(names, ids)

    def is_padded(self, body: int, packed: bool) -> bool:
        """Whether a context of `body` tokens is left with room."""
        return not packed and any(len(ids) % body for ids in self.ids)

    def parts(self) -> Iterator[TokenPart]:
        """Each sequence that has a token, whole."""
        n = 0
        for name, ids in zip(self.names, self.ids, strict=True):
            if len(ids):
                self.waiting.append(name)
                yield TokenPart(n, True, ids)
                n += 1

    @property
    def n_tokens(self) -> int:
        return sum(map(len, self.ids))

    def stamp(self) -> str:
        """Changes with names and content."""
        digest = hashlib.sha256()
        for name, ids in zip(self.names, self.ids, strict=True):
            digest.update(f"{name} {len(ids)}\n".encode())
            digest.update(ids.tobytes())
        return digest.hexdigest()


def _is_list(given: object) -> bool:
    return isinstance(given, Collection) and not isinstance(given, str)


def _plain(token: Any, where: str) -> object:
    """A token as Python has it: arrays and tensors give numbers of their own kinds.

    Raises:
        AtlasError: it is an array itself.
    """
    if not hasattr(token, "item"):
        return token
    if token.ndim:
        raise AtlasError(
            f"{where}: a token is an array of shape {list(token.shape)}, expected one id."
        )
    return token.item()
