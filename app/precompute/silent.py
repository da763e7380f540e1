"""The pre-activation at silent examples: how far the feature was from firing there.

The events stage keeps no `hidden_pre` but that of a sample of contexts, so it is computed again for
the examples that were chosen: each context that holds one goes through the model once, for all
features and dictionaries. Takes silent groups, gives what is missing; a piece is a stretch of
contexts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from app.db.records import ExampleGroup
from app.precompute.drivers.driver import Piece, Task
from app.precompute.preparation import Run
from app.precompute.target import Target
from app.precompute.workplace.stage_recipes import SILENT

BATCHES_A_PIECE = 16


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
    wanted = np.unique(np.concatenate([item.context_id for item in asked]))
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
    """One stretch through the model, for all dictionaries."""
    wanted = np.unique(np.concatenate([item.context_id for item in matter]))
    targets = {target.sae: target for target in run.targets}
    hook_names = [target.hook_name for target in run.targets]
    found = [
        Measured(item.sae, item.row, np.full(len(item.row), np.nan, np.float32)) for item in matter
    ]
    for start in range(0, len(wanted), run.job.batch_contexts):
        batch = wanted[start : start + run.job.batch_contexts]
        tokens = torch.from_numpy(run.corpus.tokens[batch].astype(np.int64))
        activations = run.model.activations(tokens, hook_names)
        for item, measured in zip(matter, found, strict=True):
            target = targets[item.sae]
            _fill(item, measured.hidden_pre, batch, activations[target.hook_name], target)
    return found


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


def _fill(
    asked: Asked,
    hidden_pre: Float32[np.ndarray, " n"],
    batch: Int64[np.ndarray, " batch"],
    x: Tensor,
    target: Target,
) -> None:
    here = np.flatnonzero((asked.context_id >= batch[0]) & (asked.context_id <= batch[-1]))
    row = torch.from_numpy(np.searchsorted(batch, asked.context_id[here]))
    position = torch.from_numpy(asked.position[here])
    feature = torch.from_numpy(asked.feature_index[here]).to(x.device)
    _, measured = target.dictionary.encode_pairs(x[row, position].float(), feature)
    hidden_pre[here] = measured.float().cpu().numpy()
