"""How the ablated text of a feature's examples lies in the file.

Effects are whole steps of 1/32,768 of the example's baseline (of the larger of its activation and
its `hidden_pre`), so that each is off by less than 0.0016% of it; a changed text that silences the
feature is exact. The effect on the activation is mostly that on `hidden_pre` or minus the whole
baseline and is then only named. Knows no table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from app.db.records import GROUPS, AblationGroup, Group
from app.db.stored.compact import Counts, Exact, Rounded, Steps, unpack_one
from app.db.stored.packing import Columns, pack_many

STEPS_OF_BASELINE = 2**15

_AS_HIDDEN_PRE, _SILENCED, _OWN = range(3)


@dataclass(frozen=True)
class StoredAblations:
    """All groups of one feature in the order of `GROUPS`; in each all deletions, then all
    replacements."""

    n_examples: Counts
    """with ablated text in each group, plus one; 0 where there is no such group"""
    n_kept: Counts
    """lengths of `kept` of each group there is"""
    rank: Counts
    baseline: Exact
    hidden_pre_baseline: Exact
    """of the examples where it isn't `baseline`"""
    odd_baseline: Steps
    """which those are"""
    n_changes: Counts
    """of each example: its deletions, in the second half of the group its replacements"""
    first_position: Steps
    """of each example's changes, as `n_changes`"""
    odd_position: Steps
    """every position, where those of an example don't follow one another without a gap"""
    hidden_pre_effect: Counts
    """steps"""
    kind: Counts
    """0: the activation's effect is that on `hidden_pre`; 1: it is −baseline; 2: it is its own"""
    own_effect: Counts
    """steps, of those of kind 2"""
    exact_effect: Exact
    """used in place of both where a baseline or an effect is no number to divide by: every
    `hidden_pre` effect, then every effect"""
    kept: Counts
    context_filled: Rounded
    context_truncated: Rounded


def pack_ablations(features: Sequence[Mapping[Group, AblationGroup]]) -> list[bytes]:
    """For each feature one blob of all its groups that have ablated text."""
    return pack_many(Columns.of(StoredAblations, [fold(groups) for groups in features]))


def unpack_ablations(blob: bytes) -> dict[Group, AblationGroup]:
    """What `pack_ablations` packed."""
    return unfold(unpack_one(StoredAblations, blob))


def fold(groups: Mapping[Group, AblationGroup]) -> StoredAblations:
    """The groups of a feature as they are stored."""
    held = [groups[name] for name in GROUPS if name in groups]
    baseline = _joined([group.baseline for group in held])
    hidden_pre = _joined([group.hidden_pre_baseline for group in held])
    odd = np.flatnonzero(baseline.view(np.uint32) != hidden_pre.view(np.uint32))
    sizes = [np.diff(i) for g in held for i in (g.delete_indptr, g.replace_indptr)]
    n_changes = np.concatenate([np.zeros(0, np.int64), *sizes])
    position = _whole([p for g in held for p in (g.delete_position, g.replace_position)])
    # An example without changes takes the place of the next one; it is of no use there.
    begins = np.minimum(np.cumsum(n_changes) - n_changes, max(position.size - 1, 0))
    first = position[begins] if position.size else np.zeros(n_changes.size, np.int64)
    of_change = np.repeat(_examples_twice([group.rank.size for group in held]), n_changes)
    effect = _joined([e for g in held for e in (g.delete_effect, g.replace_effect)])
    hidden_effect = _joined(
        [e for g in held for e in (g.delete_hidden_pre_effect, g.replace_hidden_pre_effect)]
    )
    kind = np.where(
        effect == hidden_effect,
        _AS_HIDDEN_PRE,
        np.where(effect == -baseline[of_change], _SILENCED, _OWN),
    )
    step = _steps(baseline, hidden_pre)[of_change]
    sound = bool(np.isfinite(effect).all() and np.isfinite(hidden_effect).all() and step.all())
    steps, own, exact = np.zeros((3, 0))
    if sound:
        steps, own = np.rint(hidden_effect / step), np.rint(effect / step)[kind == _OWN]
    else:
        exact = np.concatenate([hidden_effect, effect])
    return StoredAblations(
        n_examples=np.array(
            [groups[name].rank.size + 1 if name in groups else 0 for name in GROUPS]
        ),
        n_kept=np.array([group.kept.size for group in held], np.int64),
        rank=_whole([group.rank for group in held]),
        baseline=baseline,
        hidden_pre_baseline=hidden_pre[odd],
        odd_baseline=odd,
        n_changes=n_changes,
        first_position=first,
        odd_position=position[:0]
        if np.array_equal(_runs(first, n_changes), position)
        else position,
        hidden_pre_effect=steps,
        kind=kind if sound else kind[:0],
        own_effect=own,
        exact_effect=exact,
        kept=_whole([group.kept for group in held]),
        context_filled=_joined([group.context_filled.ravel() for group in held]),
        context_truncated=_joined([group.context_truncated.ravel() for group in held]),
    )


def unfold(stored: StoredAblations) -> dict[Group, AblationGroup]:
    """Every group there is, whole again."""
    hidden_pre = stored.baseline.copy()
    hidden_pre[stored.odd_baseline] = stored.hidden_pre_baseline
    sizes = [size - 1 for size in stored.n_examples.tolist() if size]
    effect, hidden_effect = _effects(stored, hidden_pre, sizes)
    indptr = np.zeros(stored.n_changes.size + 1, np.int64)
    np.cumsum(stored.n_changes, out=indptr[1:])
    position = stored.odd_position
    if position.size != indptr[-1]:
        position = _runs(stored.first_position, stored.n_changes)
    found: dict[Group, AblationGroup] = {}
    example = kept = cell = held = 0
    for name, size in zip(GROUPS, stored.n_examples.tolist(), strict=True):
        if not size:
            continue
        n = size - 1
        rows = slice(example, example + n)
        columns = slice(kept, kept + int(stored.n_kept[held]))
        cells = slice(cell, cell + n * (columns.stop - columns.start))
        bounds = indptr[2 * example : 2 * example + 2 * n + 1]
        deleted = slice(int(bounds[0]), int(bounds[n]))
        replaced = slice(int(bounds[n]), int(bounds[2 * n]))
        found[name] = AblationGroup(
            rank=stored.rank[rows],
            baseline=stored.baseline[rows],
            hidden_pre_baseline=hidden_pre[rows],
            delete_indptr=bounds[: n + 1] - bounds[0],
            delete_position=position[deleted],
            delete_effect=effect[deleted],
            delete_hidden_pre_effect=hidden_effect[deleted],
            replace_indptr=bounds[n:] - bounds[n],
            replace_position=position[replaced],
            replace_effect=effect[replaced],
            replace_hidden_pre_effect=hidden_effect[replaced],
            kept=stored.kept[columns],
            context_filled=stored.context_filled[cells].reshape(n, columns.stop - columns.start),
            context_truncated=stored.context_truncated[cells].reshape(
                n, columns.stop - columns.start
            ),
        )
        example, kept, cell, held = rows.stop, columns.stop, cells.stop, held + 1
    return found


def _effects(
    stored: StoredAblations, hidden_pre: Float[ndarray, " a"], sizes: list[int]
) -> tuple[Float[ndarray, " d"], Float[ndarray, " d"]]:
    """Of every change: its effect on the activation and on `hidden_pre`."""
    if stored.exact_effect.size:
        hidden_effect, effect = stored.exact_effect.reshape(2, -1)
        return effect, hidden_effect
    of_change = np.repeat(_examples_twice(sizes), stored.n_changes)
    step = _steps(stored.baseline, hidden_pre)[of_change]
    hidden_effect = (stored.hidden_pre_effect * step).astype(np.float32)
    effect = hidden_effect.copy()
    silenced = stored.kind == _SILENCED
    effect[silenced] = -stored.baseline[of_change[silenced]]
    own = stored.kind == _OWN
    effect[own] = stored.own_effect * step[own]
    return effect, hidden_effect


def _steps(
    baseline: Float[ndarray, " a"], hidden_pre: Float[ndarray, " a"]
) -> Float[ndarray, " a"]:
    """Float64, 0 where neither is a number above or below zero."""
    size = np.maximum(np.abs(baseline), np.abs(hidden_pre)).astype(np.float64)
    return np.where(np.isfinite(size), size, 0.0) / STEPS_OF_BASELINE


def _runs(first: Int[ndarray, " two_a"], size: Int[ndarray, " two_a"]) -> Int[ndarray, " d"]:
    """first, first + 1 … of each example's changes, one example after the other."""
    begins = np.cumsum(size) - size
    return np.arange(int(size.sum())) + np.repeat(first - begins, size)


def _examples_twice(sizes: list[int]) -> Int[ndarray, " two_a"]:
    """The examples of each group in order, once for deletions and once for replacements."""
    rows: list[int] = []
    first = 0
    for size in sizes:
        rows += [*range(first, first + size)] * 2
        first += size
    return np.array(rows, np.int64)


def _whole(arrays: list[ndarray]) -> Int[ndarray, " n"]:
    return np.concatenate([np.zeros(0, np.int64), *arrays], dtype=np.int64, casting="unsafe")


def _joined(arrays: list[ndarray]) -> Float[ndarray, " n"]:
    return np.concatenate([np.zeros(0, np.float32), *arrays], dtype=np.float32, casting="unsafe")
