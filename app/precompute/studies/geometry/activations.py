"""The covariance of the activations at a hook, over a seeded sample of contexts.

Takes a run and a hook; gives a matrix that turns isotropic directions into ones with that
covariance. Activations that are kept on disk are read, others run again. Memory: a few contexts of
activations and d_in × d_in numbers.
"""

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray
from torch import Tensor

from app.precompute.events.events import sampled_contexts
from app.precompute.preparation import Run

COVARIANCE_STREAM = 2
"""Tells this sample of contexts from others."""

TOKENS_PER_NUMBER = 8
"""Tokens of the sample for each number of an activation, at least: fewer make a covariance of
noise."""
FEWEST = 8192
CONTEXTS_AT_ONCE = 8


def covariance_contexts(run: Run, d_in: int) -> Int64[ndarray, " n"]:
    """The contexts of the sample, ascending; all where the corpus has no more."""
    wanted = max(FEWEST, TOKENS_PER_NUMBER * d_in)
    n = min(-(-wanted // run.corpus.context_size), run.corpus.n_contexts)
    seed = run.job.settings.seed
    chosen = sampled_contexts(run.corpus.n_contexts, n, seed, COVARIANCE_STREAM)
    return np.flatnonzero(chosen).astype(np.int64)


class Covariance:
    """Of vectors that come in batches, in float64."""

    def __init__(self, d_in: int) -> None:
        self.n = 0
        self._sum = np.zeros(d_in)
        self._products = np.zeros((d_in, d_in))
        self._about: Float64[ndarray, " d_in"] | None = None

    def add(self, x: Float64[ndarray, "n d_in"]) -> None:
        """Sums are taken about the first batch's mean, so that a far mean costs no digits."""
        if self._about is None:
            self._about = x.mean(axis=0) if len(x) else None
        if self._about is not None:
            away = x - self._about
            self.n += len(x)
            self._sum += away.sum(axis=0)
            self._products += away.T @ away

    def matrix(self) -> Float64[ndarray, "d_in d_in"]:
        """The population's covariance; zeros before anything came."""
        n = max(self.n, 1)
        mean = self._sum / n
        return self._products / n - np.outer(mean, mean)

    def root(self) -> Float32[ndarray, "d_in d_in"]:
        """A matrix R of RᵀR = covariance: z @ R has it where z is isotropic."""
        values, vectors = np.linalg.eigh(self.matrix())
        return (np.sqrt(np.maximum(values, 0))[:, None] * vectors.T).astype(np.float32)


def covariance_of(run: Run, hook_name: str, d_in: int) -> Covariance:
    """Of the activations at the counted tokens of the sample."""
    found, ids = Covariance(d_in), covariance_contexts(run, d_in)
    for start in range(0, len(ids), CONTEXTS_AT_ONCE):
        part = ids[start : start + CONTEXTS_AT_ONCE]
        counted = np.array(run.corpus.counted[part])
        x = _activations(run, hook_name, d_in, part, counted)
        found.add(x.double().numpy())
    return found


def _activations(
    run: Run, hook_name: str, d_in: int, ids: Int64[ndarray, " n"], counted: ndarray
) -> Float32[Tensor, "tokens d_in"]:
    """At the counted tokens of some contexts, in order, on the CPU."""
    row, position = counted.nonzero()
    kept = run.kept.rows(hook_name, d_in, ids[row], position)
    if kept is None:
        tokens = torch.from_numpy(np.asarray(run.corpus.tokens[ids], dtype=np.int64))
        kept = run.model.activations(tokens, [hook_name])[hook_name].cpu()[
            torch.from_numpy(counted)
        ]
    return kept.float()
