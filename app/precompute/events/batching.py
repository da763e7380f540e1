"""How many contexts to run at once and how many features to encode at once: the fastest of a few.

On two cores 64 contexts can be half as fast as 8, on a GPU it is the other way round; one product
over 16,384 features is slower than tiles that stay in the cache. So both are measured by a short
trial. Takes the model, dictionaries and the first contexts, gives numbers; the job keeps them in
its ledger, so that a run goes on with those it began with, and in the atlas' recipe. They change
nothing in what is found but the last digits of activations.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from app.precompute.events.finder import finder
from app.precompute.events.harvest import ROWS_AT_ONCE
from app.precompute.model.model import Model
from app.precompute.model.workers import Workers
from app.precompute.target import Target, hooks_of
from app.stats.corpus import Corpus

BATCHES = {"cpu": (4, 8, 16, 32), "cuda": (32, 64, 128, 256), "mps": (8, 16, 32, 64)}
TILES = {
    "cpu": (256, 512, 1024, 2048, 4096),
    "cuda": (8192, 32768, 131072),
    "mps": (2048, 8192, 32768),
}

ROUNDS = 5


@dataclass(frozen=True)
class Sizes:
    """What a trial chose."""

    batch_contexts: int
    """contexts in a batch of the model"""
    tile_features: int
    """encoder columns multiplied at once"""


@dataclass(frozen=True)
class Trial:
    """The sizes with what they took."""

    sizes: Sizes
    seconds_per_token: float
    """of the model up to the deepest hook and the search for firings of all dictionaries, nothing
    else: time of one thread on the CPU, else wall time"""


def try_sizes(model: Model, targets: Sequence[Target], corpus: Corpus) -> Trial:
    """The sizes with the most tokens a second in one worker, each at its best of `ROUNDS`.

    First the batch, by the model alone, then the tile on such batches, one for all dictionaries.
    """
    return next(Workers(model, 1).map(partial(_try, targets=targets), [corpus]))


def _try(model: Model, corpus: Corpus, targets: Sequence[Target]) -> Trial:
    kind = model.device.type
    hook_names = hooks_of(targets)

    def contexts(n: int) -> torch.Tensor:
        return torch.from_numpy(corpus.tokens[:n].astype(np.int64))

    batches = [n for n in BATCHES[kind] if n <= corpus.n_contexts] or [corpus.n_contexts]
    batch, forward = _fastest(
        model, {n: lambda n=n: model.activations(contexts(n), hook_names) for n in batches}
    )
    activations = model.activations(contexts(batch), hook_names)
    rows = {name: x.flatten(0, 1)[: ROWS_AT_ONCE[kind]].float() for name, x in activations.items()}
    widest = max(target.dictionary.config.d_sae for target in targets)
    tiles = [n for n in TILES[kind] if n < widest] or [widest]
    finders = {n: [finder(target.dictionary, n) for target in targets] for n in tiles}

    def encode(n: int) -> None:
        for target, own in zip(targets, finders[n], strict=True):
            own.find(rows[target.hook_name])

    tile, encoding = _fastest(model, {n: partial(encode, n) for n in tiles}, per_size=False)
    n_rows = len(rows[hook_names[0]])
    return Trial(Sizes(batch, tile), forward / corpus.context_size + encoding / n_rows)


def _fastest(
    model: Model, ways: dict[int, Callable[[], object]], per_size: bool = True
) -> tuple[int, float]:
    """The size whose way takes least time, divided by the size where that is how much it does, and
    that time in seconds.

    On the CPU that is the time of the one thread that computes, whatever else the machine does.
    """
    clock = time.thread_time if model.device.type == "cpu" else time.perf_counter
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for n, way in ways.items():
            start = clock()
            way()
            if model.device.type == "cuda":
                torch.cuda.synchronize(model.device)
            elif model.device.type == "mps":
                torch.mps.synchronize()
            taken = (clock() - start) / (n if per_size else 1)
            seconds[n] = min(seconds[n], taken)
    best = min(ways, key=lambda n: seconds[n])
    return best, seconds[best]
