r"""A model's vocabulary: for every id its piece, its bytes, its text, and what it is good for.

Three texts of a token are kept apart: the id, the exact text (made here, `\xe2` where bytes are no
text by themselves) and what is displayed (`app.db.display`). Takes a tokenizer and the width of the
unembedding, which is often larger. Knows no model and no corpus.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from app.precompute.model.piece_bytes import piece_decoder

_CHUNK = 1 << 14
_ANCHORS = ("\n", "~", "0", "x", "a b")
"""texts put in front of a token in the second round trip"""


@dataclass(frozen=True)
class Vocabulary:
    """Columns over all ids, 0 … d_vocab - 1."""

    piece: list[str]
    """the vocabulary's own string, "" where the tokenizer has none for the id"""
    bytes: list[bytes]
    """exact bytes in the middle of a text; empty where they are not known"""
    token: list[str]
    r"""exact text; bytes that are not valid UTF-8 are escaped (`\xe2\x80`), an id without a piece
    is `<unused 50300>`, a token whose bytes are not known is what the tokenizer decodes it to"""
    special: Bool[ndarray, " d_vocab"]
    """BOS, EOS, padding, unknown and all the tokenizer calls special"""
    producible: Bool[ndarray, " d_vocab"]
    """the tokenizer gives the id back for the token's text"""

    def hash(self) -> str:
        """SHA-256 over pieces and special flags: the same for the same vocabulary."""
        digest = hashlib.sha256()
        for piece, special in zip(self.piece, self.special, strict=True):
            data = piece.encode("utf-8", "surrogatepass")
            digest.update(b"%d:%d:%b" % (special, len(data), data))
        return digest.hexdigest()


def vocabulary(tokenizer: PreTrainedTokenizerBase, d_vocab: int) -> Vocabulary:
    """The vocabulary as seen by a model with `d_vocab` output ids; about 20 s for 256k ids."""
    pieces = _pieces(tokenizer, d_vocab)
    alone = _decoded(tokenizer, pieces)
    token_bytes = _bytes(tokenizer, pieces)
    tokens = [
        f"<unused {i}>" if piece is None else _text(token_bytes[i], alone[i])
        for i, piece in enumerate(pieces)
    ]
    special = np.zeros(d_vocab, dtype=bool)
    special[[i for i in special_token_ids(tokenizer) if i < d_vocab]] = True
    producible = _producible(tokenizer, pieces, alone, tokens)
    return Vocabulary([p or "" for p in pieces], token_bytes, tokens, special, producible)


def special_token_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """BOS, EOS, padding, unknown and every other token marked special, ascending; often one id."""
    added = tokenizer.added_tokens_decoder.items()
    return sorted({*tokenizer.all_special_ids, *(i for i, token in added if token.special)})


def _pieces(tokenizer: PreTrainedTokenizerBase, d_vocab: int) -> list[str | None]:
    """The vocabulary's own string for every id; None for ids the tokenizer does not have."""
    pieces: list[str | None] = [None] * d_vocab
    for piece, token_id in tokenizer.get_vocab().items():
        if token_id < d_vocab:
            pieces[token_id] = piece
    for token_id, added in tokenizer.added_tokens_decoder.items():
        if token_id < d_vocab:
            pieces[token_id] = added.content
    return pieces


def _bytes(tokenizer: PreTrainedTokenizerBase, pieces: list[str | None]) -> list[bytes]:
    """Added tokens stand for themselves, whatever code the other pieces are written in."""
    to_bytes = piece_decoder(tokenizer)
    added = tokenizer.added_tokens_decoder
    return [
        b""
        if piece is None
        else piece.encode()
        if i in added
        else to_bytes(piece)
        if to_bytes is not None
        else b""
        for i, piece in enumerate(pieces)
    ]


def _text(token_bytes: bytes, alone: str) -> str:
    return token_bytes.decode("utf-8", "backslashreplace") if token_bytes else alone


def _decoded(tokenizer: PreTrainedTokenizerBase, pieces: list[str | None]) -> list[str]:
    """The text the tokenizer gives for each id alone; "" for ids it does not have."""
    texts = [""] * len(pieces)
    for i, piece in enumerate(pieces):
        if piece is not None:
            texts[i] = str(
                tokenizer.decode([i], skip_special_tokens=False, clean_up_tokenization_spaces=False)
            )
    return texts


def _producible(
    tokenizer: PreTrainedTokenizerBase,
    pieces: list[str | None],
    alone: list[str],
    tokens: list[str],
) -> Bool[ndarray, " d_vocab"]:
    """Which ids come back from id -> text -> id.

    A token is tried alone and, where that fails, inside a text: tokenizers that put a space in
    front of every text, or write a word's later pieces differently, can't show such tokens alone.
    The token's exact text is then set behind each of a few beginnings, which must keep their own
    ids. Halves of a character have no text and don't come back.
    """
    producible = np.zeros(len(pieces), dtype=bool)
    known = [i for i, piece in enumerate(pieces) if piece is not None]
    for i, ids in zip(known, _encoded(tokenizer, [alone[i] for i in known]), strict=True):
        producible[i] = ids == [i]
    for anchor in _ANCHORS:
        left = [i for i in known if not producible[i]]
        (before,) = _encoded(tokenizer, [anchor])
        encoded = _encoded(tokenizer, [anchor + tokens[i] for i in left])
        for i, ids in zip(left, encoded, strict=True):
            producible[i] = ids == [*before, i]
    return producible


def _encoded(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    found: list[list[int]] = []
    for start in range(0, len(texts), _CHUNK):
        found += tokenizer(
            texts[start : start + _CHUNK],
            add_special_tokens=False,
            padding=False,
            truncation=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
    return found
