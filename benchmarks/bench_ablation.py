"""What the job's two dearest stages cost, as ratios, on the bundled demo model and dictionary.

Ablated text against a loop over single texts and against plain padded batches; events against the
bound of a forward pass and the encoder alone. All take turns and the best round of each counts, in
CPU seconds (which a busy machine disturbs less) and in wall seconds. Run by `make bench`.
"""

import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

import app.demo
from app.precompute.ablation import AblationSettings, Replacements, ablate, plan_of
from app.precompute.batching import choose_batch
from app.precompute.branches import BranchRunner
from app.precompute.events import Target, extract_events
from app.precompute.model import LanguageModel
from app.precompute.texts import Example, Mount, read_features, texts_of
from app.precompute.workers import Workers
from app.sae.readers import load_dictionary
from app.stats.corpus import Corpus

ROUNDS = 3
N_CONTEXTS = 128
N_EXAMPLES = 64
ABLATION = AblationSettings(window=16, replacements=1)
SPECIAL_IDS = [0]


def main() -> None:
    """Measures and prints both comparisons."""
    demo = Path(app.demo.__file__).parent
    model = LanguageModel.load(demo / "model")
    dictionary = load_dictionary(sorted((demo / "dictionaries").iterdir())[0])
    mount = Mount(dictionary, str(dictionary.config.hook_name))
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, model.d_vocab, (N_CONTEXTS, dictionary.config.context_size or 128))
    tokens[:, 0] = SPECIAL_IDS[0]
    _print("ablated text", "naive loop", _ablated_text(model, mount, tokens))
    _print("events", "forward + encoder", _events(model, mount, tokens))


def _ablated_text(
    model: LanguageModel, mount: Mount, tokens: np.ndarray
) -> dict[str, Callable[[], Any]]:
    """The same changed texts one by one, in padded batches, as trees, and on all workers."""
    rng = np.random.default_rng(1)
    n_ctx = tokens.shape[1]
    examples = [
        Example(int(rng.integers(mount.dictionary.config.d_sae)), row, int(position))
        for row, position in zip(
            tokens[:N_EXAMPLES], rng.integers(n_ctx // 4, n_ctx, N_EXAMPLES), strict=False
        )
    ]
    unigram = np.ones(model.d_vocab)
    replacements = Replacements(unigram, SPECIAL_IDS, ABLATION.seed)
    texts = texts_of(examples)
    plans = [plan_of(text, replacements, ABLATION) for text in texts]

    def with_runner(**settings: int) -> None:
        runner = BranchRunner(model, [mount.hook_name], **settings)
        runner.uses_trees = False
        for text, plan in zip(texts, plans, strict=True):
            rows = [(text, slice(0, len(plan.branches)))]
            read_features([mount], examples, rows, runner.run([plan]))

    def ours(n_workers: int | None) -> None:
        list(ablate(model, [mount], examples, unigram, SPECIAL_IDS, ABLATION, n_workers))

    alone = Workers(model, 1)  # one thread inside an operation, as in the job
    return {
        "naive loop": lambda: list(alone.map(lambda *_: with_runner(batch_tokens=1), [None])),
        "batched, prefixes repeated": lambda: list(alone.map(lambda *_: with_runner(), [None])),
        "ours, 1 worker": lambda: ours(1),
        "ours, all workers": lambda: ours(None),
    }


def _events(model: LanguageModel, mount: Mount, tokens: np.ndarray) -> dict[str, Callable[[], Any]]:
    """A pass and the encoder with nothing kept, and the stage."""
    counted = np.ones(tokens.shape, np.bool_)
    counted[:, 0] = False
    documents = np.zeros(tokens.shape, np.int32)
    corpus = Corpus(tokens, counted, documents, model.d_vocab, ["random tokens"])
    batch = choose_batch(model, [mount.hook_name], corpus)

    def bound() -> None:
        def forward_and_encode(twin: LanguageModel, rows: np.ndarray) -> None:
            found = twin.activations(torch.from_numpy(rows), [mount.hook_name])
            mount.dictionary.encode(found[mount.hook_name])

        list(Workers(model, 1).map(forward_and_encode, np.split(tokens, len(tokens) // batch)))

    def stage(n_workers: int | None) -> None:
        with TemporaryDirectory() as folder:
            target = Target("bench", mount.dictionary, mount.hook_name, Path(folder))
            extract_events(
                model, [target], corpus,
                per_shard=N_CONTEXTS // 4,
                batch_contexts=batch,
                sample=np.zeros(len(tokens), np.bool_),
                advance=lambda _: None,
                n_workers=n_workers,
            )  # fmt: skip

    return {
        "forward + encoder": bound,
        "ours, 1 worker": lambda: stage(1),
        "ours, all workers": lambda: stage(None),
    }


def _print(title: str, reference: str, ways: dict[str, Callable[[], Any]]) -> None:
    """One line a way; ratios are to `reference`, below 1 is faster."""
    for way in ways.values():
        way()  # what is loaded or allocated once is not counted
    turns = [(name, *_seconds(way)) for _ in range(ROUNDS) for name, way in ways.items()]
    best = {
        name: np.array([turn[1:] for turn in own]).min(axis=0)
        for name, own in groupby(sorted(turns), key=lambda turn: turn[0])
    }
    print(title)
    for name in ways:
        cpu, wall = best[name]
        cpu_ratio, wall_ratio = best[name] / best[reference]
        print(
            f"  {name:28s} CPU {cpu:7.2f} s ×{cpu_ratio:5.2f}"
            f"   wall {wall:7.2f} s ×{wall_ratio:5.2f}"
        )


def _seconds(way: Callable[[], Any]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    way()
    return time.process_time() - cpu, time.perf_counter() - wall


if __name__ == "__main__":
    main()
