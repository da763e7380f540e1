"""Ablated text: what becomes of a feature when one token before it is deleted or replaced.

Takes examples and gives, per example and mode, the effect of every position on the activation and
on `hidden_pre`. First done by Riggs and Cunningham in 2023 notebooks; one word deleted says nothing
where either of two would do. Knows nothing of how branches are run, nor of examples' origin or
storage.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Integer

from app.errors import AtlasError
from app.precompute.ablation.branches import Branch, BranchRunner, Plan
from app.precompute.ablation.texts import (
    Example,
    Mount,
    Reading,
    Text,
    chunks_of,
    hooks_under,
    random_stream,
    read_features,
    texts_of,
)
from app.precompute.ablation.tree_attention import TAIL_TOKENS
from app.precompute.model.model import Model
from app.precompute.model.workers import Workers

SPARE_DRAWS = 16
"""Draws beyond those needed, so that a position whose own token was drawn can take the next one."""


@dataclass(frozen=True)
class AblationSettings:
    window: int = 32
    """Tokens before the peak that are deleted and replaced, one at a time."""
    replacements: int = 2
    """Tokens drawn for each replaced position, one at least; effects are their mean."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Ablation:
    """One mode's effects on one example. Differences are changed minus unchanged."""

    mode: Literal["delete", "replace"]
    baseline: float
    """Activation at the peak with nothing changed."""
    hidden_pre_baseline: float
    positions: Integer[np.ndarray, " n_positions"]
    """Ascending, counted from the start of the context; "replace" ends with the peak itself."""
    effects: Float[np.ndarray, " n_positions"]
    """Change of the activation, mean over draws."""
    hidden_pre_effects: Float[np.ndarray, " n_positions"]
    outranked: Float[np.ndarray, " n_positions"] | None
    """Under per-token top-k, the share of draws in which the feature is silent with a positive
    `hidden_pre`: it merely lost to other features. None for other dictionaries."""


@dataclass(frozen=True, slots=True)
class AblatedExample:
    example: int
    """Its index among the examples asked for."""
    delete: Ablation
    replace: Ablation


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run of the model over changed texts takes."""

    n_texts: int
    """Distinct (context, position)."""
    n_branches: int
    """Changed texts."""
    n_tokens: int
    """Tokens of forward pass when trunks are shared, padding not included."""


class Replacements:
    """Tokens drawn from the corpus' unigram distribution, special ids excluded."""

    def __init__(
        self,
        unigram: Float[np.ndarray, " d_vocab"] | Integer[np.ndarray, " d_vocab"],
        special_ids: Sequence[int],
        seed: int,
    ) -> None:
        """`unigram`: counts or shares. AtlasError if nothing is left without the special ids."""
        weight = np.array(unigram, dtype=np.float64)
        weight[list(special_ids)] = 0
        if not weight.sum() > 0:
            raise AtlasError(
                "The corpus has no token that is not special, so nothing can replace a token; "
                "choose a corpus of text, or no replacements."
            )
        self._cumulative = np.cumsum(weight) / weight.sum()
        self._seed = seed

    def draw(self, text: Text, n: int) -> Integer[np.ndarray, " n"]:
        """The first n tokens of the text's own stream."""
        stream = random_stream(self._seed, "replacement", text)
        drawn = np.searchsorted(self._cumulative, stream.random(n), side="right")
        return np.minimum(drawn, np.flatnonzero(np.diff(self._cumulative, prepend=0))[-1])

    def at_positions(
        self, text: Text, positions: Integer[np.ndarray, " n_positions"], n: int
    ) -> Integer[np.ndarray, "n n_positions"]:
        """n tokens for each position: the same ones at all of them, in the order drawn.

        A token is not replaced by itself (nothing would change, and no effect be claimed): such a
        position takes the next draw instead, unless all of them are its own token.
        """
        drawn = self.draw(text, n + SPARE_DRAWS)
        chosen = np.empty((n, len(positions)), dtype=np.int64)
        for column, token in enumerate(text.tokens[positions]):
            others = drawn[drawn != token]
            chosen[:, column] = others[:n] if len(others) >= n else drawn[:n]
        return chosen


def ablated_positions(position: int, window: int) -> Integer[np.ndarray, " n_positions"]:
    """The positions before the peak that are deleted or replaced; position 0 never is."""
    return np.arange(max(1, position - window), position)


def cost(examples: Sequence[Example], settings: AblationSettings) -> Cost:
    """What `ablate` will take: about window²/2 tokens per text for deletions and for each draw."""
    n_branches = n_tokens = 0
    texts = texts_of(examples)
    for text in texts:
        n = len(ablated_positions(text.position, settings.window))
        tails = 1 + n * (n + 1) // 2 + settings.replacements * (n + 1) * (n + 2) // 2
        n_branches += 1 + n + settings.replacements * (n + 1)
        n_tokens += tails + max(1, round(tails / TAIL_TOKENS)) * text.position
    return Cost(len(texts), n_branches, n_tokens)


def ablate(
    model: Model,
    mounts: Sequence[Mount],
    examples: Sequence[Example],
    unigram: Float[np.ndarray, " d_vocab"] | Integer[np.ndarray, " d_vocab"],
    special_ids: Sequence[int],
    settings: AblationSettings | None = None,
    n_workers: int | None = None,
) -> Iterator[AblatedExample]:
    """The effects, example by example, those that share a text together.

    Texts are run in the order of the examples (strongest first, if the caller puts them so), each
    once for all features and dictionaries that fire on it. Deleting shifts what follows; replacing
    does not. The baseline is run beside the changed texts, so differences hold no other pass's
    rounding. `n_workers`: how many chunks run side by side; see `Workers`.
    """
    settings = settings or AblationSettings()
    texts = texts_of(examples)
    replacements = Replacements(unigram, special_ids, settings.seed)
    runner = BranchRunner(model, [mount.hook_name for mount in mounts])
    if texts:
        longest = max(texts, key=lambda text: text.position)
        runner.check([plan_of(longest, replacements, settings)])

    def of_chunk(twin: Model, chunk: Sequence[Text]) -> list[AblatedExample]:
        plans = [plan_of(text, replacements, settings) for text in chunk]
        ends = np.cumsum([len(plan.branches) for plan in plans])
        rows = [
            slice(int(end) - len(plan.branches), int(end))
            for plan, end in zip(plans, ends, strict=True)
        ]
        branches_of = list(zip(chunk, rows, strict=True))
        found = runner.run(plans, twin, hooks_under(chunk, examples, mounts))
        readings = read_features(mounts, examples, branches_of, found)
        return [
            _effects(reading, examples[reading.example], mounts, settings) for reading in readings
        ]

    workers = Workers(model, n_workers)
    for results in workers.map(of_chunk, chunks_of(texts)):
        yield from results


def plan_of(text: Text, replacements: Replacements, settings: AblationSettings) -> Plan:
    """The unchanged text, then deletions, then draw by draw replacements, by position."""
    tokens, position = text.tokens, text.position
    deleted = ablated_positions(position, settings.window)
    replaced = np.append(deleted, position)
    branches = [Branch(position, tokens[position:])]
    branches += [Branch(int(i), tokens[i + 1 :]) for i in deleted]
    for drawn in replacements.at_positions(text, replaced, settings.replacements):
        for i, token in zip(replaced, drawn, strict=True):
            tail = tokens[i:].copy()
            tail[0] = token
            branches.append(Branch(int(i), tail))
    return Plan(tokens, branches)


def _effects(
    reading: Reading, example: Example, mounts: Sequence[Mount], settings: AblationSettings
) -> AblatedExample:
    topk = mounts[example.mount].dictionary.selects_across_features
    position = example.position
    deleted = ablated_positions(position, settings.window)
    replaced = np.append(deleted, position)

    def mode(
        name: Literal["delete", "replace"],
        positions: Integer[np.ndarray, " n_positions"],
        first: int,
        n_draws: int,
    ) -> Ablation:
        shape = (n_draws, len(positions))
        rows = slice(first, first + n_draws * len(positions))
        activation = reading.activation[rows].reshape(shape)
        hidden_pre = reading.hidden_pre[rows].reshape(shape)
        return Ablation(
            mode=name,
            baseline=float(reading.activation[0]),
            hidden_pre_baseline=float(reading.hidden_pre[0]),
            positions=positions,
            effects=activation.mean(axis=0) - reading.activation[0],
            hidden_pre_effects=hidden_pre.mean(axis=0) - reading.hidden_pre[0],
            outranked=((activation == 0) & (hidden_pre > 0)).mean(axis=0) if topk else None,
        )

    return AblatedExample(
        example=reading.example,
        delete=mode("delete", deleted, first=1, n_draws=1),
        replace=mode("replace", replaced, 1 + len(deleted), settings.replacements),
    )
