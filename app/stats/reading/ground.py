"""What readings are tested on: the first contexts of a corpus, cut into pieces of running text.

A *piece* is a run of tokens of one document inside one context without a special token. A match, a
phrase or a “within” never leaves its piece. Takes the corpus and its vocabulary; made once for a
corpus and kept, about 30 bytes a token. Knows neither reading nor feature.
"""

from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int32, Int64, Integer, UInt8

from app.stats.arrays import offsets, ragged_ranges
from app.stats.corpus import Corpus
from app.stats.reading.vocabulary import Vocabulary

READING_TOKENS = 2**20
"""At most the contexts that hold so many tokens are looked at, so that an answer takes no longer
however large the corpus is."""
MOST_TOKEN_BYTES = 256
"""A longer token is read up to here by regular expressions."""


class Ground:
    """The tokens readings are tested on. A place is context_id * context_size + position."""

    def __init__(
        self, corpus: Corpus, vocabulary: Vocabulary, most_tokens: int = READING_TOKENS
    ) -> None:
        self.vocabulary = vocabulary
        self.context_size = corpus.context_size
        self.n_contexts = min(corpus.n_contexts, max(1, most_tokens // corpus.context_size))
        self.n_contexts_all = corpus.n_contexts
        self.n_places = self.n_contexts * self.context_size
        self.n_places_all = corpus.tokens.size
        self.tokens: Integer[np.ndarray, " n_places"] = corpus.flat_tokens[: self.n_places]
        self.counted: Bool[np.ndarray, " n_places"] = np.array(corpus.flat_counted[: self.n_places])
        self.n_counted = int(np.count_nonzero(self.counted))
        starts = self._piece_starts(corpus.flat_document_ids[: self.n_places])
        lengths = np.diff(starts, append=self.n_places)
        self.piece_starts: Int64[np.ndarray, " n_pieces"] = starts
        self.piece_first: Int32[np.ndarray, " n_places"] = np.repeat(starts, lengths).astype(
            np.int32
        )
        """the first place of each place's piece"""
        self.piece_last: Int32[np.ndarray, " n_places"] = np.repeat(
            starts + lengths - 1, lengths
        ).astype(np.int32)
        """the last place of each place's piece"""

    @cached_property
    def text(self) -> "PieceText":
        """The bytes of all pieces."""
        return PieceText(self)

    def _piece_starts(
        self, document_ids: Integer[np.ndarray, " n_places"]
    ) -> Int64[np.ndarray, " n_pieces"]:
        special = np.zeros(max(self.vocabulary.size, int(self.tokens.max()) + 1), np.bool_)
        special[list(self.vocabulary.special_ids)] = True
        is_special = special[self.tokens]
        begins = np.ones(self.n_places, np.bool_)
        begins[1:] = (document_ids[1:] != document_ids[:-1]) | is_special[1:] | is_special[:-1]
        begins[:: self.context_size] = True
        return np.flatnonzero(begins)


class PieceText:
    """The pieces' bytes, step by step: first the first byte of every piece, then the second ones.

    Pieces are in lanes, the longest first: at each step those that go on are the first ones.
    """

    def __init__(self, ground: Ground) -> None:
        cut = [text[:MOST_TOKEN_BYTES] for text in ground.vocabulary.token_bytes]
        cut += [b""] * (int(ground.tokens.max()) + 1 - len(cut))
        id_lengths = np.array([len(text) for text in cut], dtype=np.int64)
        id_starts = offsets(id_lengths)[:-1]
        lengths = id_lengths[ground.tokens]
        first = offsets(lengths)[:-1][ground.piece_starts]
        piece_lengths = np.diff(first, append=int(lengths.sum()))
        by_length = np.argsort(-piece_lengths, kind="stable")
        by_length = by_length[: int(np.count_nonzero(piece_lengths))]
        lane_starts, lane_lengths = first[by_length], piece_lengths[by_length]
        n_steps = int(lane_lengths[0]) if lane_lengths.size else 0
        self.n_lanes_at: list[int] = np.searchsorted(
            -lane_lengths, -np.arange(n_steps), side="left"
        ).tolist()
        """by step: how many lanes have a byte there"""
        by_step = np.concatenate(
            [first[:0]] + [lane_starts[:n] + step for step, n in enumerate(self.n_lanes_at)]
        )
        running = ragged_ranges(id_starts[ground.tokens], lengths)
        self.bytes_by_step: UInt8[np.ndarray, " n_bytes"] = np.frombuffer(
            b"".join(cut), dtype=np.uint8
        )[running[by_step]]
        self.places_by_step: Int32[np.ndarray, " n_bytes"] = np.repeat(
            np.arange(ground.n_places, dtype=np.int32), lengths
        )[by_step]
        """the place of the token each of them belongs to"""
