"""Small random corpora with one dense row of activations each: what brute force can judge.

The sizes are drawn by hypothesis (so failures shrink), the contents come from a seeded generator.
Activations often sit on edges of bins, tie, or are constant; some features are dead, some fire
everywhere. Position 0 never counts; separators and padding may not count either.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from jaxtyping import Float32

from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents

settings.register_profile("untimed", deadline=None)  # how fast a busy machine is proves nothing
settings.load_profile("untimed")


@dataclass(frozen=True)
class World:
    """A corpus and what one feature does on it."""

    corpus: Corpus
    dense: Float32[np.ndarray, "n_contexts context_size"]
    events: FeatureEvents


def events_of(dense: np.ndarray, feature_index: int = 3) -> FeatureEvents:
    context, position = np.nonzero(dense)
    return FeatureEvents(
        feature_index,
        context.astype(np.int32),
        position.astype(np.int32),
        dense[context, position],
        dense.shape[1],
    )


def random_corpus(
    rng: np.random.Generator, shape: tuple[int, int], d_vocab: int, masks: str, documents: str
) -> Corpus:
    tokens = rng.integers(0, d_vocab, shape).astype(np.uint16)
    counted = np.ones(shape, dtype=np.bool_)
    counted[:, 0] = False
    if masks == "separators":
        counted &= tokens != 0
    if masks == "padding":
        counted &= np.arange(shape[1]) < rng.integers(0, shape[1] + 1, shape[0])[:, None]
    if documents == "none":
        ids = np.full(shape, -1)
    elif documents == "by context":
        ids = np.repeat(np.arange(shape[0])[:, None], shape[1], axis=1)
    else:  # of random lengths, running on from context to context
        ids = np.cumsum(rng.random(shape) < 0.15).reshape(shape)
    names = [f"document {i}" for i in range(int(ids.max()) + 1)]
    return Corpus(tokens, counted, ids.astype(np.int32), d_vocab, names)


def random_activations(
    rng: np.random.Generator, corpus: Corpus, density: float, values: str
) -> Float32[np.ndarray, "n_contexts context_size"]:
    shape = corpus.tokens.shape
    if values == "on edges":  # max 50: integers are edges of the 50 bins, tens of the bands
        drawn = rng.choice([1, 2, 10, 20, 29, 30, 40, 49, 50], shape)
    elif values == "tenths":  # edges that binary fractions cannot hold
        drawn = rng.integers(1, 51, shape) * np.float32(0.1)
    elif values == "constant":
        drawn = np.full(shape, 0.7)
    else:
        drawn = rng.gamma(1.0, 2.0, shape) + 1e-3
    fires = corpus.counted & (rng.random(shape) < density)
    return np.where(fires, drawn, 0).astype(np.float32)


def random_world(data: st.DataObject) -> World:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shape = (data.draw(st.integers(1, 9)), data.draw(st.sampled_from([2, 3, 8, 13, 70, 150])))
    masks = data.draw(st.sampled_from(["none", "separators", "padding"]))
    documents = data.draw(st.sampled_from(["none", "by context", "running"]))
    corpus = random_corpus(rng, shape, data.draw(st.integers(2, 7)), masks, documents)
    density = data.draw(st.sampled_from([0.0, 0.05, 0.3, 0.8, 1.0]))
    values = data.draw(st.sampled_from(["on edges", "tenths", "constant", "gamma"]))
    dense = random_activations(rng, corpus, density, values)
    return World(corpus, dense, events_of(dense))


@pytest.fixture(scope="session")
def draw_world() -> Callable[[st.DataObject], World]:
    """A world from hypothesis' choices. Called in the test: `world = draw_world(data)`."""
    return random_world


@pytest.fixture(scope="session")
def make_events() -> Callable[..., FeatureEvents]:
    """The events of a dense matrix [n_contexts, context_size]."""
    return events_of


@pytest.fixture(scope="session")
def make_corpus() -> Callable[..., Corpus]:
    """A corpus of the given token rows, all counted but position 0, in no document."""

    def build(rows: list[list[int]], d_vocab: int = 10) -> Corpus:
        tokens = np.array(rows, dtype=np.uint16)
        counted = np.ones(tokens.shape, dtype=np.bool_)
        counted[:, 0] = False
        return Corpus(tokens, counted, np.full(tokens.shape, -1, dtype=np.int32), d_vocab)

    return build
