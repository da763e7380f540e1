"""What stage 3 costs, part by part: CPU nanoseconds an event and microseconds a feature.

Invented events of realistic shape: densities fall as 1 / rank, half of a feature's firings sit on
tokens of its own, the others come in short stretches; L0 about 50 in contexts of 128. The
yardstick, measured between the parts of the same run, is one plain pass: numpy reads the events of
a range and sorts them by activation. Ratios to it survive a busy machine; single times don't.
`--plain` adds what the definitions of `app.stats` cost, feature by feature, on a sample.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from app.db.stored.examples import pack_examples
from app.db.stored.panels import pack_panels
from app.db.writer import AtlasWriter
from app.precompute import counting, panels
from app.precompute.ranges import describe
from app.precompute.ranges.rankings import PairRankings
from app.precompute.workplace import result_file
from app.stats.arrays import radix_argsort
from app.stats.corpus import Corpus, write_corpus
from app.stats.event_writer import write_manifest, write_shard
from app.stats.events import EventStore
from app.stats.feature import StatisticsSettings, describe_feature

CONTEXT, D_VOCAB, L0 = 128, 8192, 50
SHARD_TOKENS = 1 << 16
COACTIVATION_TOKENS = 1 << 18
PARTS = (
    "range_tokens", "range_places", "range_strength", "range_silent", "range_moments",
    "drawn_examples", "silent_examples", "range_lift", "range_pairs",
)  # fmt: skip
SAMPLE = 32
BATCH = 512
"""Features packed together, as the writer does."""


class Clock:
    """CPU seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def run(self, name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """What the work gives; its time is added up under the name."""
        start = time.process_time()
        found = work(*arguments)
        self.seconds[name] += time.process_time() - start
        return found

    def wrapped(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed under the name."""
        return lambda *arguments, **named: self.run(name, lambda: work(*arguments, **named))


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=4096)
    parser.add_argument("--tokens", type=int, default=1 << 18)
    parser.add_argument("--plain", action="store_true", help="app.stats feature by feature too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        invent(root, options.features, options.tokens)
        store = EventStore.open(root / "events")
        clock = Clock()
        clock.run("compiling, once", all_of, root, [(0, 2)], Clock())
        compiled = clock.seconds.pop("compiling, once")
        for name in PARTS:
            setattr(describe, name, clock.wrapped(f"  {name}", getattr(describe, name)))
        all_of(root, list(store.ranges(counting.EVENTS_AT_ONCE)), clock)
        if options.plain:
            plain(root, clock)
        n_events = int(store.n_active().sum())
        print(
            f"{store.d_sae:,} features, {options.tokens:,} tokens, {n_events:,} events "
            f"(L0 {n_events / options.tokens:.0f}); loading or compiling the loops {compiled:.1f} s"
        )
        table(clock, n_events, store.d_sae)


def all_of(root: Path, ranges: list[tuple[int, int]], clock: Clock) -> None:
    """Stage 3 from event files to packed features, and the yardstick beside every range."""
    events, corpus, settings = root / "events", root / "corpus", StatisticsSettings()
    store = EventStore.open(events)
    rankings = PairRankings(Corpus.open(corpus).occurrences)
    with AtlasWriter(root / "atlas.db", {"name": "benchmark"}) as writer:
        for part in ranges:
            clock.run("a plain pass", plain_pass, store, part)
            found = clock.run("statistics", counting.describe_range, events, corpus, settings, part)
            partners = clock.run(
                "co-activation",
                counting.describe_partners,
                events,
                corpus,
                COACTIVATION_TOKENS,
                part,
            )
            clock.run("keeping the result", result_file.save, root / "found", found)
            clock.run("rankings by token", rankings.add, found.pairs)
            bundles = panels.range_bundles(found)
            while batch := clock.run("records", list, islice(bundles, BATCH)):
                clock.run("packing", pack_panels, [one.panels for one in batch])
                clock.run("packing", pack_examples, [one.examples for one in batch])
            clock.run("records", lambda found=partners: list(panels.coactive_panels(found)))
            bundles = panels.range_bundles(found)
            clock.run("records, packing, inserting", writer.add_features, 1, bundles)
    clock.run("rankings by token", rankings.result)


def plain_pass(store: EventStore, part: tuple[int, int]) -> None:
    """Reads the events of a range and sorts each feature's by activation, in numpy."""
    for events in store.features(*part):
        radix_argsort(events.activation.view(np.uint32))


def plain(root: Path, clock: Clock) -> None:
    """The definitions of `app.stats` on every 32nd feature, scaled to all."""
    corpus, store = Corpus.open(root / "corpus"), EventStore.open(root / "events")
    _ = corpus.inverted_index
    sampled = Clock()
    for index in range(0, store.d_sae, SAMPLE):
        (events,) = store.features(index, index + 1)
        sampled.run("", describe_feature, events, corpus)
    clock.seconds["statistics, feature by feature"] = sampled.seconds[""] * SAMPLE


def table(clock: Clock, n_events: int, n_features: int) -> None:
    """A line a part; those set in are inside "statistics"."""
    yardstick = clock.seconds["a plain pass"]
    print(f"{'':34s}{'ns/event':>10s}{'µs/feature':>12s}{'× a plain pass':>16s}")
    for name, seconds in clock.seconds.items():
        print(
            f"{name:34s}{seconds / n_events * 1e9:10.1f}{seconds / n_features * 1e6:12.0f}"
            f"{seconds / yardstick:16.2f}"
        )


def invent(root: Path, n_features: int, n_tokens: int) -> None:
    """A corpus and its events, as the earlier stages leave them."""
    rng = np.random.default_rng(0)
    shape = (n_tokens // CONTEXT, CONTEXT)
    weights = 1 / np.arange(1.0, D_VOCAB + 1)
    tokens = rng.choice(D_VOCAB, shape, p=weights / weights.sum()).astype(np.uint16)
    separators = rng.random(shape) < 0.004
    counted = ~separators
    counted[:, 0] = False
    documents = np.cumsum(separators).reshape(shape).astype(np.int32)
    names = [str(i) for i in range(int(documents.max()) + 1)]
    write_corpus(root / "corpus", Corpus(tokens, counted, documents, D_VOCAB, names))
    feature, place = firings(rng, tokens.reshape(-1), counted.reshape(-1), n_features)
    activation = rng.gamma(2.0, size=place.size).astype(np.float32) + np.float32(0.01)
    per_shard = SHARD_TOKENS // CONTEXT
    write_manifest(
        root / "events", d_sae=n_features, context_size=CONTEXT,
        contexts_per_shard=per_shard, n_contexts=shape[0],
    )  # fmt: skip
    for index in range(-(-shape[0] // per_shard)):
        rows = np.flatnonzero(place // SHARD_TOKENS == index)
        local = place[rows] - index * SHARD_TOKENS
        write_shard(root / "events", index, feature[rows], local, activation[rows], n_features)


def firings(
    rng: np.random.Generator, tokens: np.ndarray, counted: np.ndarray, n_features: int
) -> tuple[np.ndarray, np.ndarray]:
    """(feature, place) of every firing; each feature's places ascend."""
    density = 1 / (np.arange(n_features) + 0.02 * n_features)
    density = rng.permutation(density * L0 / density.sum())
    by_token = np.argsort(tokens, kind="stable")
    starts = np.searchsorted(tokens[by_token], np.arange(D_VOCAB + 1))
    features: list[np.ndarray] = []
    places: list[np.ndarray] = []
    for index in range(n_features):
        n = int(density[index] * tokens.size)
        drawn: list[np.ndarray] = []
        missing = n // 2
        while missing > 0:  # on some of the occurrences of tokens of its own
            token = tokens[rng.integers(tokens.size)]
            own = by_token[starts[token] : starts[token + 1]]
            some = min(missing, 1 + int(own.size * rng.uniform(0.1, 0.9)))
            drawn.append(rng.choice(own, min(some, own.size), replace=False))
            missing -= some
        begins = rng.integers(0, tokens.size - 6, max(n // 4, 1))
        stretch = begins + rng.integers(1, 6, begins.size)
        found = np.unique(np.concatenate([*drawn, begins, stretch]))
        found = found[counted[found]]
        places.append(found)
        features.append(np.full(found.size, index))
    return np.concatenate(features), np.concatenate(places)


if __name__ == "__main__":
    main()
