"""What one deletion can't show: "A or B … C", where either suffices and each alone has no effect.

Takes one feature on one text; gives the effect of deleting every occurrence of a token at once, of
contiguous blocks, and of pairs of tokens against the sum of both. Compared is `hidden_pre`, because
zero hides size. Position 0 is never touched. Knows nothing of how texts are run.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Integer

from app.precompute.ablation.ablation import ablated_positions
from app.precompute.ablation.deletions import Deletions
from app.precompute.ablation.tree_attention import TAIL_TOKENS

PAIRED = 12
"""Last tokens before the peak whose pairs are measured."""

JOINT = 0.05
"""A block costs more than its parts where it does so by this share of the unchanged `hidden_pre`:
less is rounding and drift of positions."""


@dataclass(frozen=True, slots=True)
class Removed:
    """Several tokens deleted at once. Effects are changed minus unchanged."""

    positions: tuple[int, ...]
    effect: float
    """on the activation"""
    hidden_pre_effect: float


@dataclass(frozen=True, slots=True)
class RemovedBlock(Removed):
    """A contiguous block beside its tokens one by one."""

    parts: float
    """sum of the effects on `hidden_pre` of its tokens, each deleted alone"""
    joint: bool
    """its deletion costs more than its parts: it was halved"""
    smallest: bool
    """joint, and neither half is"""


@dataclass(frozen=True, slots=True)
class PairEffects:
    """Δ(i, j) − Δ(i) − Δ(j) on `hidden_pre`."""

    positions: Integer[np.ndarray, " n"]
    interactions: Float[np.ndarray, "n n"]
    """symmetric, 0 on the diagonal; negative where either suffices, positive where the loss of one
    already takes all"""


@dataclass(frozen=True, slots=True)
class Combined:
    """All of it on one text."""

    occurrences: list[Removed]
    blocks: list[RemovedBlock]
    pairs: PairEffects


def remove_combined(deletions: Deletions, window: int, n_tokens: int = PAIRED) -> Combined:
    """Occurrences, blocks and pairs; what is known to be needed beforehand runs together."""
    deletions.read(_needed(deletions, window, n_tokens))
    return Combined(
        remove_occurrences(deletions, window),
        remove_blocks(deletions, window),
        remove_pairs(deletions, n_tokens),
    )


def most_tokens(position: int, window: int, trees: bool, n_tokens: int = PAIRED) -> int:
    """What `remove_combined` runs at most on a text with its peak there: every token occurs twice,
    every block costs more than its parts.

    `trees`: shortened texts share the row of the whole one.
    """
    positions = ablated_positions(position, window).tolist()
    paired = ablated_positions(position, n_tokens).tolist()
    tails = [position - i for i in positions]
    tails += [position - i for i in positions[: len(positions) // 2]]
    tails += [position - i for n, i in enumerate(paired) for _ in paired[n + 1 :]]
    blocks, n_runs = [positions] if len(positions) > 1 else [], 2
    while blocks:
        tails += [position + 1 - block[0] - len(block) for block in blocks]
        halves = [half for b in blocks for half in (b[: len(b) // 2], b[len(b) // 2 :])]
        blocks, n_runs = [half for half in halves if len(half) > 1], n_runs + 1
    if not trees:
        return (1 + len(tails)) * (position + 1)
    total = 1 + sum(tails)
    return total + (n_runs + total // TAIL_TOKENS) * position


def _needed(deletions: Deletions, window: int, n_tokens: int) -> list[tuple[int, ...]]:
    """Every deletion but those of blocks that are halved."""
    positions = ablated_positions(deletions.position, window).tolist()
    paired = ablated_positions(deletions.position, n_tokens).tolist()
    alone = [(position,) for position in positions]
    whole = [tuple(positions)] if positions else []
    return [*alone, *whole, *_occurrences(deletions, window), *combinations(paired, 2)]


def _occurrences(deletions: Deletions, window: int) -> list[tuple[int, ...]]:
    """The places of every token that stands several times in the window."""
    places: dict[int, list[int]] = {}
    for position in ablated_positions(deletions.position, window).tolist():
        places.setdefault(int(deletions.tokens[position]), []).append(position)
    return [tuple(found) for found in places.values() if len(found) > 1]


def remove_occurrences(deletions: Deletions, window: int) -> list[Removed]:
    """Every token that stands several times in the window, all its places at once.

    The strongest loss of `hidden_pre` first, ties by first position.
    """
    several = _occurrences(deletions, window)
    effects = deletions.effects(several)
    found = [Removed(p, *effects[:, i].tolist()) for i, p in enumerate(several)]
    return sorted(found, key=lambda item: (item.hidden_pre_effect, item.positions))


def remove_blocks(deletions: Deletions, window: int) -> list[RemovedBlock]:
    """Contiguous blocks from the whole window down, halved where one costs more than its parts.

    A block of one token has no parts. Blocks of one depth follow each other from left to right.
    """
    positions = ablated_positions(deletions.position, window).tolist()
    if len(positions) < 2:
        return []
    alone = deletions.effects([(position,) for position in positions])[1]
    threshold = JOINT * abs(deletions.hidden_pre_baseline)
    cost = dict(zip(positions, alone.tolist(), strict=True))
    found: list[tuple[Removed, float, bool]] = []
    level = [tuple(positions)]
    while level:
        effects = deletions.effects(level)
        halves: list[tuple[int, ...]] = []
        for i, block in enumerate(level):
            effect, hidden_pre = effects[:, i].tolist()
            parts = sum(cost[position] for position in block)
            joint = parts - hidden_pre > threshold
            found.append((Removed(block, effect, hidden_pre), parts, joint))
            if joint:
                middle = len(block) // 2
                halves += [half for half in (block[:middle], block[middle:]) if len(half) > 1]
        level = halves
    joints = [set(item.positions) for item, _, joint in found if joint]
    return [
        RemovedBlock(
            item.positions,
            item.effect,
            item.hidden_pre_effect,
            parts,
            joint,
            joint and not any(other < set(item.positions) for other in joints),
        )
        for item, parts, joint in found
    ]


def remove_pairs(deletions: Deletions, n_tokens: int = PAIRED) -> PairEffects:
    """Every pair of the last `n_tokens` tokens before the peak."""
    positions = ablated_positions(deletions.position, n_tokens)
    listed = positions.tolist()
    n = len(listed)
    rows, columns = np.triu_indices(n, k=1)
    pairs = [(listed[i], listed[j]) for i, j in zip(rows, columns, strict=True)]
    effects = deletions.effects([*((position,) for position in listed), *pairs])[1]
    alone, together = effects[:n], effects[n:]
    interactions = np.zeros((n, n))
    interactions[rows, columns] = together - alone[rows] - alone[columns]
    return PairEffects(positions, interactions + interactions.T)
