"""Invented firings: on which tokens a feature is active, and how strongly.

Some features follow single tokens, some a token after another one, some whole regions, a few never
fire. Everything else about a feature is counted from these firings. Knows no record of the atlas.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from app.demo.synthetic.text import SyntheticText


@dataclass(frozen=True)
class Firings:
    """The active tokens of one feature in order of (context, position)."""

    context_id: Int[ndarray, " n_active"]
    position: Int[ndarray, " n_active"]
    token_id: Int[ndarray, " n_active"]
    activation: Float[ndarray, " n_active"]

    @property
    def n_active(self) -> int:
        return self.activation.size

    def dense(self, shape: tuple[int, ...]) -> Bool[ndarray, "n_contexts context_size"]:
        """Where the feature fires, as a mask over the corpus."""
        mask = np.zeros(shape, dtype=bool)
        mask[self.context_id, self.position] = True
        return mask


class FiringMaker:
    """Draws the firings of any feature of one dictionary; the same index gives the same firings."""

    def __init__(self, text: SyntheticText, seed: int, sae: int, scattered: float = 0.0) -> None:
        """Takes the share of a feature's firings that lie on any tokens, weak ones."""
        self._text = text
        self._scattered = scattered
        self.seed = (seed, sae)
        counted = text.token_ids[:, 1:].ravel()
        self._by_token = np.argsort(counted, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(text.occurrences)])
        weights = np.sqrt(text.occurrences.astype(np.float64))
        weights[0] = 0
        self._weights = weights / weights.sum()

    def rng(self, feature_index: int) -> np.random.Generator:
        """A generator of the feature's own."""
        return np.random.default_rng([*self.seed, feature_index])

    def firings(self, feature_index: int) -> Firings:
        """About one feature in fifty is dead, one in six lives in regions."""
        rng = self.rng(feature_index)
        kind = rng.random()
        if kind < 0.02:
            places = np.zeros(0, dtype=np.int64)
            values = np.zeros(0)
        elif kind < 0.18:
            places, values = self._region(rng)
        else:
            places, values = self._tokens(rng)
        if self._scattered and places.size:
            places, values = self._scatter(places, values, rng)
        order = np.argsort(places, kind="stable")
        places, values = places[order], values[order].astype(np.float32).astype(np.float64)
        width = self._text.token_ids.shape[1] - 1
        context_id, position = places // width, places % width + 1
        return Firings(context_id, position, self._text.token_ids[context_id, position], values)

    def _tokens(self, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
        n_tokens = int(rng.integers(1, 6))
        chosen = rng.choice(self._weights.size, size=n_tokens, p=self._weights)
        scale = np.exp(rng.normal(1.2, 0.5))
        found: dict[int, float] = {}
        for strength, token_id in zip(0.6 ** np.arange(n_tokens), chosen, strict=True):
            here = self._by_token[self._starts[token_id] : self._starts[token_id + 1]]
            kept = here[rng.random(here.size) < rng.beta(2, 1.5)]
            drawn = scale * strength * rng.beta(4, 2, size=kept.size) + 0.01
            for place, value in zip(kept.tolist(), drawn.tolist(), strict=True):
                found.setdefault(place, value)
        return np.array(list(found), dtype=np.int64), np.array(list(found.values()))

    def _scatter(
        self, places: ndarray, values: ndarray, rng: np.random.Generator
    ) -> tuple[ndarray, ndarray]:
        """The firings with weak ones among them, wherever in the corpus."""
        n = int(places.size * self._scattered / (1 - self._scattered))
        extra = np.setdiff1d(rng.integers(0, self._by_token.size, n), places)
        weak = values.max() * rng.beta(1, 8, size=extra.size) + 0.01
        return np.concatenate([places, extra]), np.concatenate([values, weak])

    def _region(self, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
        n_contexts, context_size = self._text.token_ids.shape
        width = context_size - 1
        # Six at least: of a region the summary speaks from five spans on.
        n_spans = min(n_contexts, max(6, n_contexts // 16))
        contexts = rng.choice(n_contexts, size=n_spans, replace=False)
        pieces = []
        for context in contexts:
            start = int(rng.integers(0, width - 8))
            stop = min(width, start + int(rng.integers(8, 40)))
            span = np.arange(start, stop)
            pieces.append(context * width + span[rng.random(span.size) < 0.75])
        places = np.unique(np.concatenate(pieces))
        return places, rng.gamma(2.0, 0.8, size=places.size) + 0.01
