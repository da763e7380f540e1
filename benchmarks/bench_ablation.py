"""Ablated text against a loop over single texts and against plain padded batches, as ratios.

A random model and dictionary (`made`), contexts of 128, window 32, on firings of the dictionary.
The naive loop runs one forward pass to the logits for every changed text; the batched loop stops at
the hook but repeats every prefix. All give the same numbers, which is checked. They take turns in
one process, one thread each. Run by `make bench`; writes a section of RESULTS.md.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from app.precompute.ablation.ablation import AblationSettings, Replacements, plan_of
from app.precompute.ablation.branches import BranchRunner
from app.precompute.ablation.texts import Example, Mount, Reading, read_features, texts_of
from app.precompute.model.language_model import LanguageModel
from app.precompute.model.workers import Workers
from benchmarks.made import HOOK, random_corpus, random_dictionary, random_model
from benchmarks.measure import interleaved
from benchmarks.results import table, write_section

CONTEXT_SIZE = 128
D_SAE = 4096
MEASURED_CONTEXTS = 64
"""Contexts the thresholds are set on, and of which examples are taken."""
SETTINGS = AblationSettings()
SPECIAL_IDS = [0]
NAIVE, BATCHED = (
    "one pass to the logits for every changed text",
    "padded batches, prefixes repeated",
)
TOLERANCE = 1e-4
"""How far two ways may differ, of the largest value."""


def main() -> None:
    """Measures, prints and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    ways = _ways(options.examples)
    found = {name: way() for name, way in ways.items()}
    for name, values in found.items():
        apart = np.abs(values - found[NAIVE]).max() / np.abs(found[NAIVE]).max()
        assert apart < TOLERANCE, f"{name} differs by {apart:.1g}"
    costs = interleaved(ways, options.rounds, warm_up=False)
    rows = [
        [name, *(f"{own / of:.3f}" for own, of in ((cost.cpu, naive.cpu), (cost.wall, naive.wall)))]
        for naive in [costs[NAIVE]]
        for name, cost in costs.items()
    ]
    body = (
        f"Ablated text of {options.examples} examples, window {SETTINGS.window}, "
        f"{SETTINGS.replacements} draws, contexts of {CONTEXT_SIZE}.\n\n"
        + table(["", "CPU", "wall"], rows)
    )
    print(body)
    if not options.dry:
        write_section("Ablated text: `python -m benchmarks.bench_ablation`", body)


@torch.no_grad()
def _ways(n_examples: int) -> dict[str, Callable[[], np.ndarray]]:
    """The ways, each giving `hidden_pre` of every example at every changed text."""
    model = random_model()
    corpus = random_corpus(MEASURED_CONTEXTS * CONTEXT_SIZE, CONTEXT_SIZE, model.d_vocab)
    tokens = corpus.tokens.astype(np.int64)
    x = model.activations(torch.from_numpy(tokens), [HOOK])[HOOK]
    mount = Mount(random_dictionary(x[:, 1:].flatten(0, 1), D_SAE), HOOK)
    examples = _firings(mount, x, tokens, n_examples)
    unigram = np.ones(model.d_vocab)
    replacements = Replacements(unigram, SPECIAL_IDS, SETTINGS.seed)
    texts = texts_of(examples)
    plans = [plan_of(text, replacements, SETTINGS) for text in texts]
    alone = Workers(model, 1)

    def read(run: Callable[[Any], dict[str, torch.Tensor]]) -> np.ndarray:
        def on_worker(_: LanguageModel, __: None) -> list[Reading]:
            readings: list[Reading] = []
            for text, plan in zip(texts, plans, strict=True):
                rows = [(text, slice(0, len(plan.branches)))]
                readings += read_features([mount], examples, rows, run(plan))
            return readings

        found = sorted(next(alone.map(on_worker, [None])), key=lambda item: item.example)
        return np.concatenate([item.hidden_pre for item in found])

    def naive(plan: Any) -> dict[str, torch.Tensor]:
        rows: list[torch.Tensor] = []
        for branch in plan.branches:
            text = torch.from_numpy(np.concatenate([plan.trunk[: branch.attach], branch.tail]))
            model.logits(text[None], {HOOK: lambda x: rows.append(x[0, -1])})
        return {HOOK: torch.stack(rows)}

    batched = BranchRunner(model, [HOOK])
    batched.uses_trees = False
    trees = BranchRunner(model, [HOOK])

    def ours() -> np.ndarray:
        def on_worker(_: LanguageModel, __: None) -> list[Reading]:
            ends = np.cumsum([len(plan.branches) for plan in plans])
            rows = [
                (text, slice(int(end) - len(plan.branches), int(end)))
                for text, plan, end in zip(texts, plans, ends, strict=True)
            ]
            return read_features([mount], examples, rows, trees.run(plans))

        found = sorted(next(alone.map(on_worker, [None])), key=lambda item: item.example)
        return np.concatenate([item.hidden_pre for item in found])

    return {
        NAIVE: lambda: read(naive),
        BATCHED: lambda: read(lambda plan: batched.run([plan])),
        "ours": ours,
    }


def _firings(mount: Mount, x: torch.Tensor, tokens: np.ndarray, n: int) -> list[Example]:
    """The strongest feature at a drawn place of each context, with a whole window before it."""
    rng = np.random.default_rng(1)
    examples: list[Example] = []
    for row in tokens[:n]:
        position = int(rng.integers(SETTINGS.window, CONTEXT_SIZE))
        acts = mount.dictionary.encode(x[len(examples), position])
        examples.append(Example(int(acts.argmax()), row, position))
    return examples


if __name__ == "__main__":
    main()
