"""How many contexts to run at once: the fastest of a few, found by a short trial.

On two cores 64 rows can be half as fast as 8, on a GPU it is the other way round; so it is
measured. Takes the model and the first contexts, gives a number; the job keeps it in its manifest.
"""

import time
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from app.precompute.model import LanguageModel
from app.precompute.workers import Workers
from app.stats.corpus import Corpus

CANDIDATES = {"cpu": (4, 8, 16, 32), "cuda": (32, 64, 128, 256), "mps": (8, 16, 32, 64)}

ROUNDS = 3


def choose_batch(model: LanguageModel, hook_names: Sequence[str], corpus: Corpus) -> int:
    """The candidate with the most tokens a second in a worker, each at its best of three rounds."""
    return next(Workers(model, 1).map(partial(_fastest, hook_names=hook_names), [corpus]))


def _fastest(model: LanguageModel, corpus: Corpus, hook_names: Sequence[str]) -> int:
    candidates = [n for n in CANDIDATES[model.device.type] if n <= corpus.n_contexts]
    if not candidates:
        return corpus.n_contexts
    seconds = dict.fromkeys(candidates, float("inf"))
    for _ in range(ROUNDS):
        for n in candidates:
            tokens = torch.from_numpy(corpus.tokens[:n].astype(np.int64))
            start = time.perf_counter()
            model.activations(tokens, hook_names)
            if model.device.type == "cuda":
                torch.cuda.synchronize(model.device)
            seconds[n] = min(seconds[n], (time.perf_counter() - start) / n)
    return min(candidates, key=lambda n: seconds[n])
