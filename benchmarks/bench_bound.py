"""What events and statistics cost above the bound: one forward pass and one encoder product.

A random model and a random JumpReLU dictionary that fires 50 features a token (`made`). The bound
runs the same tokens to the hook and through the encoder and keeps nothing, at the batch and tile
sizes that are best for it by a trial of its own; its encoder is the linear map with its bias alone.
Both take turns in one process, shard by shard, so that what slows the machine for a while slows
both; one worker of one thread each, so that CPU seconds compare. Run by `make bench`; `--tokens`
and `--features` take other sizes. Writes a section of RESULTS.md.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from app.precompute.counting import EVENTS_AT_ONCE, describe_range, forget
from app.precompute.events.batching import try_sizes
from app.precompute.events.events import (
    extract_shard,
    sampled_contexts,
    shard_files,
    write_manifests,
)
from app.precompute.events.kept_activations import KeptActivations
from app.precompute.model.language_model import LanguageModel
from app.precompute.model.workers import Workers
from app.precompute.target import Target
from app.precompute.workplace.seals import seal
from app.sae.dictionary import Dictionary
from app.stats.corpus import Corpus, write_corpus
from app.stats.events import EventStore
from app.stats.feature import StatisticsSettings
from benchmarks.made import HOOK, random_corpus, random_dictionary, random_model
from benchmarks.measure import Cost, cost_of, median
from benchmarks.results import table, write_section

CONTEXT_SIZE = 128
MEASURED_CONTEXTS = 256
"""Contexts the thresholds are set on."""
HIDDEN_PRE_CONTEXTS = 32
BATCHES = (4, 8, 16, 32)
TILES = (512, 1024, 4096, 16384)
TRIAL_CONTEXTS = 32
BOUND, EVENTS, BOTH = "forward + encoder alone", "events", "events + statistics"


def main() -> None:
    """Measures every size, prints and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[2**18, 2**20])
    parser.add_argument("--features", type=int, nargs="+", default=[4096, 16384])
    parser.add_argument("--kind", choices=["jumprelu", "topk"], default="jumprelu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    model = random_model()
    rows: list[list[str]] = []
    for n_tokens, d_sae in product(options.tokens, options.features):
        corpus = random_corpus(n_tokens, CONTEXT_SIZE, model.d_vocab)
        found = measure(model, corpus, d_sae, options.kind, options.rounds)
        rows += lines(f"{d_sae:,} features, {corpus.tokens.size:,} tokens", found)
        print("\n".join(" ".join(row) for row in rows[-3:]), flush=True)
    body = table(["", "CPU s", "CPU", "wall"], rows)
    if not options.dry:
        write_section("Bound: `python -m benchmarks.bench_bound`", body)


@torch.no_grad()
def measure(
    model: LanguageModel, corpus: Corpus, d_sae: int, kind: str, rounds: int
) -> dict[str, Cost]:
    """The median cost of each way."""
    first = torch.from_numpy(corpus.tokens[:MEASURED_CONTEXTS].astype(np.int64))
    x = model.activations(first, [HOOK])[HOOK][:, 1:].flatten(0, 1)
    dictionary = random_dictionary(x, d_sae, kind)
    bound = Bound(model, dictionary, corpus)
    with TemporaryDirectory() as folder:
        target = Target("bench", dictionary, HOOK, Path(folder) / "events")
        corpus_folder = Path(folder) / "corpus"
        write_corpus(corpus_folder, corpus)
        sizes = try_sizes(model, [target], corpus).sizes
        print(f"bound {bound.sizes}, ours {sizes}", flush=True)

        per_shard = 2**16 // CONTEXT_SIZE
        write_manifests([target], corpus, per_shard)
        worker = Workers(model, 1)
        kept = KeptActivations(
            Path(folder) / "activations", True, per_shard, CONTEXT_SIZE, model.dtype
        )

        def shard(twin: LanguageModel, index: int) -> None:
            extract_shard(
                twin,
                [target],
                corpus,
                index,
                per_shard=per_shard,
                batch_contexts=sizes.batch_contexts,
                tile_features=sizes.tile_features,
                sample=sampled_contexts(corpus.n_contexts, HIDDEN_PRE_CONTEXTS, 0),
                kept=kept,
            )
            files = shard_files(target.folder, index) + kept.files([HOOK], index)
            seal(Path(folder), files)  # as the job does before it takes a shard for done

        def statistics() -> None:
            forget()  # what another round has read from the corpus
            for part in EventStore.open(target.folder).ranges(EVENTS_AT_ONCE):
                describe_range(target.folder, corpus_folder, StatisticsSettings(), part)

        turns: dict[str, list[Cost]] = {BOUND: [], EVENTS: [], BOTH: []}
        for _ in range(rounds):
            alone, events = Cost(0.0, 0.0), Cost(0.0, 0.0)
            for index in range(-(-corpus.n_contexts // per_shard)):
                stretch = slice(index * per_shard, (index + 1) * per_shard)
                alone += cost_of(partial(bound.run, stretch))
                events += cost_of(lambda index=index: list(worker.map(shard, [index])))
            turns[BOUND].append(alone)
            turns[EVENTS].append(events)
            turns[BOTH].append(events + cost_of(statistics))
        return {name: median(costs) for name, costs in turns.items()}


class Bound:
    """The pass and the product, at the sizes that are best for them."""

    def __init__(
        self, model: LanguageModel, dictionary: Dictionary, corpus: Corpus, n_workers: int = 1
    ) -> None:
        self._dictionary = dictionary
        self._tokens = corpus.tokens
        self._workers = Workers(model, n_workers)
        tiles = [tile for tile in TILES if tile <= dictionary.config.d_sae]
        every = list(product(BATCHES, tiles))
        of = {tile: list(self._tiles(tile)) for tile in tiles}
        some = corpus.tokens[:TRIAL_CONTEXTS]
        trials = {size: partial(self._run, some, size[0], of[size[1]]) for size in every}
        trials[every[0]]()
        costs = {size: min(cost_of(trial).cpu for _ in range(3)) for size, trial in trials.items()}
        self.sizes = min(costs, key=lambda size: costs[size])
        self._best = of[self.sizes[1]]

    def run(self, contexts: slice) -> None:
        """These contexts once."""
        self._run(self._tokens[contexts], self.sizes[0], self._best)

    def _run(self, tokens: np.ndarray, batch: int, tiles: list[tuple[Tensor, Tensor]]) -> None:
        room = torch.empty(batch * tokens.shape[1], len(tiles[0][1]))

        def one(model: LanguageModel, start: int) -> None:
            rows = torch.from_numpy(tokens[start : start + batch].astype(np.int64))
            x = model.activations(rows, [HOOK])[HOOK].flatten(0, 1)
            for W, b in tiles:
                torch.addmm(b, x, W, out=room[: len(x)])

        for _ in self._workers.map(one, range(0, len(tokens), batch)):
            pass

    def _tiles(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Matrices of their own, which multiply faster than slices, and their biases."""
        W_enc, b_enc = self._dictionary.W_enc, self._dictionary.b_enc
        for W, b in zip(W_enc.split(size, dim=1), b_enc.split(size), strict=True):
            yield W.contiguous(), b


def lines(title: str, found: dict[str, Cost]) -> list[list[str]]:
    """A row of the table for each way; ratios are to the bound."""
    bound = found[BOUND]
    return [
        [
            f"{title}: {name}",
            f"{cost.cpu:.1f}",
            f"{cost.cpu / bound.cpu:.2f}",
            f"{cost.wall / bound.wall:.2f}",
        ]
        for name, cost in found.items()
    ]


if __name__ == "__main__":
    main()
