"""The token ids every statistic is counted over: contexts, which tokens count, and their documents.

Takes the folder the tokens stage wrote (or arrays) and gives counts and an index from a token id to
its places. A *place* is context_id * context_size + position. Knows neither the text of a token nor
how the corpus was made beyond what its metadata says.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32, Int64, Integer

from app import npy
from app.errors import AtlasError
from app.stats.arrays import offsets, radix_argsort, ragged_ranges


@dataclass(frozen=True)
class Corpus:
    """Token ids in contexts of equal length. Arrays may be memory maps; nothing is ever written.

    `counted` is False for BOS, padding, other special tokens and position 0. `document_ids` is -1
    where a token belongs to no document; the tokens of one document are contiguous in a context.
    """

    tokens: Integer[np.ndarray, "n_contexts context_size"]
    counted: Bool[np.ndarray, "n_contexts context_size"]
    document_ids: Int32[np.ndarray, "n_contexts context_size"]
    d_vocab: int
    document_names: list[str] = field(default_factory=list)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> "Corpus":
        """Map the arrays of a corpus folder. AtlasError when a file is missing or doesn't fit."""
        folder = Path(folder)
        tokens, counted, document_ids = (
            _mapped(folder / name) for name in ("tokens.npy", "counted.npy", "document_ids.npy")
        )
        if not tokens.shape == counted.shape == document_ids.shape or tokens.ndim != 2:
            raise AtlasError(
                f"The corpus in {folder} is damaged: tokens {tokens.shape}, counted "
                f"{counted.shape} and document_ids {document_ids.shape} should have one shape "
                "(n_contexts, context_size); delete the folder and run precompute again."
            )
        metadata = _json(folder / "corpus.json")
        names = _json(folder / "documents.json")
        return cls(tokens, counted, document_ids, int(metadata["d_vocab"]), names, metadata)

    @property
    def n_contexts(self) -> int:
        return self.tokens.shape[0]

    @property
    def context_size(self) -> int:
        return self.tokens.shape[1]

    @cached_property
    def n_tokens(self) -> int:
        """N of every density: the number of counted tokens."""
        return int(np.count_nonzero(self.counted))

    @cached_property
    def flat_tokens(self) -> Integer[np.ndarray, " n_places"]:
        return self.tokens.reshape(-1)

    @cached_property
    def flat_counted(self) -> Bool[np.ndarray, " n_places"]:
        return self.counted.reshape(-1)

    @cached_property
    def flat_document_ids(self) -> Int32[np.ndarray, " n_places"]:
        return self.document_ids.reshape(-1)

    def padding(
        self, contexts: slice | Int64[np.ndarray, " rows"]
    ) -> Bool[np.ndarray, "rows context_size"]:
        """Where these contexts are padded: in contexts by document what stands behind position 0
        outside every document; others have no padding that could be told from text.
        """
        documents = self.document_ids[contexts]
        found = np.zeros(documents.shape, np.bool_)
        if self.metadata.get("packing") == "document":
            found[:, 1:] = documents[:, 1:] < 0
        return found

    @cached_property
    def occurrences(self) -> Int64[np.ndarray, " d_vocab"]:
        """How often each token id occurs among the counted tokens."""
        counted = self.flat_tokens[self.flat_counted]
        return np.bincount(counted, minlength=self.d_vocab).astype(np.int64)

    @cached_property
    def counted_per_position(self) -> Int64[np.ndarray, " context_size"]:
        """Counted tokens at each position, over all contexts."""
        return self.counted.sum(axis=0, dtype=np.int64)

    @cached_property
    def tokens_per_document(self) -> Int64[np.ndarray, " n_documents"]:
        """Counted tokens of each document, over all its contexts."""
        ids = self.flat_document_ids[self.flat_counted]
        ids = ids[ids >= 0]
        return np.bincount(ids, minlength=len(self.document_names)).astype(np.int64)

    @cached_property
    def first_counted(self) -> Int32[np.ndarray, " n_contexts"]:
        """Position of each context's first counted token; context_size where it has none."""
        first = self.counted.argmax(axis=1).astype(np.int32)
        return np.where(self.counted.any(axis=1), first, np.int32(self.context_size))

    @cached_property
    def last_counted(self) -> Int32[np.ndarray, " n_contexts"]:
        """Position of each context's last counted token; -1 where it has none."""
        last = self.context_size - 1 - self.counted[:, ::-1].argmax(axis=1).astype(np.int32)
        return np.where(self.counted.any(axis=1), last, -1).astype(np.int32)

    @cached_property
    def gaps(self) -> Int64[np.ndarray, " n_gaps"]:
        """Places, ascending, that are not counted but lie between counted ones of their context."""
        places = np.flatnonzero(~self.flat_counted)
        context, position = np.divmod(places, self.context_size)
        inside = (position > self.first_counted[context]) & (position < self.last_counted[context])
        return places[inside]

    def places(self, token_ids: Integer[np.ndarray, " n_ids"]) -> Int64[np.ndarray, " n"]:
        """Places of all counted tokens with one of these (distinct) ids, ascending."""
        return np.sort(self.places_by_token(token_ids))

    def places_by_token(self, token_ids: Integer[np.ndarray, " n_ids"]) -> Int64[np.ndarray, " n"]:
        """The same places in the order of `token_ids`, ascending within each: no sorting needed."""
        indptr, places = self.inverted_index
        starts = indptr[token_ids]
        return places[ragged_ranges(starts, indptr[token_ids + 1] - starts)].astype(np.int64)

    def first_contexts(self, max_tokens: int) -> tuple[int, int]:
        """(how many contexts from the start hold at most `max_tokens` counted tokens, how many of
        those there are); at least one context.
        """
        running = np.cumsum(self.counted.sum(axis=1, dtype=np.int64))
        n_contexts = max(int(np.searchsorted(running, max_tokens, side="right")), 1)
        return n_contexts, int(running[n_contexts - 1])

    @cached_property
    def inverted_index(self) -> tuple[np.ndarray, np.ndarray]:
        """(where each id's places begin [d_vocab + 1], places by token id): 4 or 8 B a token."""
        places = np.flatnonzero(self.flat_counted)
        ids = self.flat_tokens[places]
        order = radix_argsort(ids.astype(np.uint32))
        small = self.tokens.size < 2**31
        return offsets(self.occurrences), places[order].astype(np.int32 if small else np.int64)


def write_corpus(folder: Path, corpus: Corpus) -> None:
    """Writes the folder that `Corpus.open` reads, over an older one, from arrays in memory.

    A corpus that needn't fit into memory is written by the job's tokens stage, row by row.
    """
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "tokens.npy", corpus.tokens)
    np.save(folder / "counted.npy", corpus.counted)
    np.save(folder / "document_ids.npy", corpus.document_ids)
    metadata = {**corpus.metadata, "d_vocab": corpus.d_vocab}
    (folder / "documents.json").write_text(json.dumps(corpus.document_names), "utf-8")
    (folder / "corpus.json").write_text(json.dumps(metadata), "utf-8")


def _mapped(path: Path) -> np.ndarray:
    try:
        return npy.mapped(path)
    except (OSError, ValueError) as error:
        raise AtlasError(
            f"Could not read {path}: {error}. Expected a corpus folder written by precompute; "
            "run precompute again."
        ) from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AtlasError(
            f"Could not read {path}: {error}. Expected a corpus folder written by precompute; "
            "run precompute again."
        ) from error
