"""A small ground of readable tokens, and the obvious ways to answer for it, token by token."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from app.stats.corpus import Corpus
from app.stats.reading.ground import Ground
from app.stats.reading.vocabulary import Vocabulary

TEXTS = ["<s>", "self", " self", "def", " def", ".", "("]
TEXTS += ["\n", " ", "a", "b", "ab", " a", "é", "B1"]
"""id 0 is special; a text is made of several tokens in several ways"""


@dataclass(frozen=True)
class SmallGround:
    """A ground with the tokens it was made of."""

    ground: Ground
    corpus: Corpus

    @property
    def pieces(self) -> list[list[int]]:
        """Places of each piece: tokens of one document in one context, specials on their own."""
        found: list[list[int]] = []
        n_contexts, size = self.corpus.tokens.shape
        for context in range(n_contexts):
            last: tuple[int, bool] | None = None
            for position in range(size):
                special = int(self.corpus.tokens[context, position]) == 0
                key = (int(self.corpus.document_ids[context, position]), special)
                if key != last or special:
                    found.append([])
                found[-1].append(context * size + position)
                last = key
        return found

    def texts(self, piece: list[int]) -> list[str]:
        """The texts of a piece's tokens; a special token has none."""
        ids = self.corpus.flat_tokens[piece].tolist()
        return ["" if i == 0 else TEXTS[i] for i in ids]


def make_small_ground(seed: int, shape: tuple[int, int] = (4, 12), **options: int) -> SmallGround:
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, len(TEXTS), shape).astype(np.uint16)
    tokens[rng.random(shape) < 0.9 / len(TEXTS)] = 0
    counted = tokens != 0
    counted[:, 0] = False
    documents = np.cumsum(rng.random(shape) < 0.1).reshape(shape).astype(np.int32)
    corpus = Corpus(tokens, counted, documents, len(TEXTS))
    vocabulary = Vocabulary([text.encode() for text in TEXTS], {0})
    return SmallGround(Ground(corpus, vocabulary, **options), corpus)


@pytest.fixture(scope="session")
def small_ground() -> Callable[..., SmallGround]:
    """Called with a seed; several documents, a special token here and there."""
    return make_small_ground
