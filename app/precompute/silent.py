"""The pre-activation at silent examples: how far the feature was from firing there.

The events stage keeps no `hidden_pre` but that of a sample of contexts, so it is computed again for
the examples that were chosen, from the activations kept at the hooks; where they are not, each
context that holds one goes through the model once more, for all features and dictionaries. Takes
silent groups, gives what is missing; a piece is a stretch of contexts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from app.db.records import ExampleGroup
from app.precompute.coder import Coder
from app.precompute.drivers.driver import Piece, Task
from app.precompute.preparation import Run
from app.precompute.target import Target
from app.precompute.workplace.stage_recipes import SILENT

BATCHES_A_PIECE = 16
PAIRS_AT_ONCE = 2**14
"""Most examples encoded together: each needs a column of W_enc."""


@dataclass(frozen=True)
class Asked:
    """Silent examples of one dictionary."""

    sae: str
    row: Int64[np.ndarray, " n"]
    """which of the dictionary's, all features one after the other"""
    context_id: Int64[np.ndarray, " n"]
    position: Int64[np.ndarray, " n"]
    feature_index: Int64[np.ndarray, " n"]


@dataclass(frozen=True)
class Measured:
    """`hidden_pre` of some of a dictionary's silent examples."""

    sae: str
    row: Int64[np.ndarray, " n"]
    hidden_pre: Float32[np.ndarray, " n"]


def asked_of(sae: str, groups: Iterable[tuple[int, ExampleGroup]]) -> Asked:
    """Everything that is to be measured for a dictionary; `groups` by feature_index, in order."""
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for feature_index, group in groups:
        feature = np.full(len(group.position), feature_index, np.int64)
        parts.append((group.context_id.astype(np.int64), group.position.astype(np.int64), feature))
    none = (np.zeros(0, np.int64),) * 3
    columns = [np.concatenate(column) for column in zip(none, *parts, strict=True)]
    return Asked(sae, np.arange(len(columns[0])), *columns)


def silent_pieces(asked: Iterable[Asked], batch_contexts: int) -> list[Piece]:
    """The distinct contexts, ascending, in stretches, each with the examples in it."""
    asked = list(asked)
    wanted = np.unique(np.concatenate([np.zeros(0, np.int64), *(a.context_id for a in asked)]))
    size = BATCHES_A_PIECE * batch_contexts
    stretches = [wanted[start : start + size] for start in range(0, len(wanted), size)]
    return [
        Piece(
            (SILENT,),
            f"{index:06d}",
            len(contexts),
            [_inside(item, int(contexts[0]), int(contexts[-1])) for item in asked],
        )
        for index, contexts in enumerate(stretches)
    ]


def measure_silent(run: Run, matter: list[Asked]) -> list[Measured]:
    """One stretch, for all dictionaries: from kept activations, or through the model."""
    targets = [run.target(item.sae) for item in matter]
    found = [_from_kept(run, item, target) for item, target in zip(matter, targets, strict=True)]
    missing = [number for number, measured in enumerate(found) if measured is None]
    again = _through_model(run, [matter[n] for n in missing], [targets[n] for n in missing])
    for number, hidden_pre in zip(missing, again, strict=True):
        found[number] = hidden_pre
    return [
        Measured(item.sae, item.row, hidden_pre)
        for item, hidden_pre in zip(matter, found, strict=True)
        if hidden_pre is not None
    ]


SILENT_EXAMPLES = Task(measure_silent, "model")


def gathered(
    pieces: Iterable[list[Measured]], n_asked: Mapping[str, int]
) -> dict[str, Float32[np.ndarray, " n"]]:
    """Every dictionary's `hidden_pre` by row, from the results of all pieces."""
    whole = {sae: np.full(n, np.nan, np.float32) for sae, n in n_asked.items()}
    for piece in pieces:
        for measured in piece:
            whole[measured.sae][measured.row] = measured.hidden_pre
    return whole


def _inside(asked: Asked, first: int, last: int) -> Asked:
    here = (asked.context_id >= first) & (asked.context_id <= last)
    return Asked(
        asked.sae,
        asked.row[here],
        asked.context_id[here],
        asked.position[here],
        asked.feature_index[here],
    )


def _from_kept(run: Run, asked: Asked, target: Target) -> Float32[np.ndarray, " n"] | None:
    """None where the activations of a shard are not kept."""
    hidden_pre = np.empty(len(asked.row), np.float32)
    d_in = target.dictionary.config.d_in
    for start in range(0, len(hidden_pre), PAIRS_AT_ONCE):
        some = slice(start, start + PAIRS_AT_ONCE)
        places = asked.context_id[some], asked.position[some]
        x = run.kept.rows(target.hook_name, d_in, *places)
        if x is None:
            return None
        hidden_pre[some] = _hidden_pre(target.dictionary, x, asked.feature_index[some])
    return hidden_pre


def _through_model(
    run: Run, asked: list[Asked], targets: list[Target]
) -> list[Float32[np.ndarray, " _n"]]:
    """Each context once, for all that ask for it."""
    wanted = np.unique(np.concatenate([np.zeros(0, np.int64), *(a.context_id for a in asked)]))
    found = [np.full(len(item.row), np.nan, np.float32) for item in asked]
    for start in range(0, len(wanted), run.job.batch_contexts):
        batch = wanted[start : start + run.job.batch_contexts]
        tokens = torch.from_numpy(run.corpus.tokens[batch].astype(np.int64))
        activations = run.model.activations(tokens, [target.hook_name for target in targets])
        for item, hidden_pre, target in zip(asked, found, targets, strict=True):
            here = np.flatnonzero((item.context_id >= batch[0]) & (item.context_id <= batch[-1]))
            row = torch.from_numpy(np.searchsorted(batch, item.context_id[here]))
            x = activations[target.hook_name][row, torch.from_numpy(item.position[here])]
            hidden_pre[here] = _hidden_pre(target.dictionary, x, item.feature_index[here])
    return found


def _hidden_pre(
    dictionary: Coder, x: Float[Tensor, "n d_in"], feature_index: Int64[np.ndarray, " n"]
) -> Float32[np.ndarray, " n"]:
    """Of one feature on each row."""
    device = dictionary.device
    feature = torch.from_numpy(feature_index).to(device)
    return dictionary.encode_pairs(x.to(device).float(), feature)[1].float().cpu().numpy()
