"""The pre-activation at silent examples: how far the feature was from firing there.

The events stage keeps no `hidden_pre` but that of a sample of contexts, so it is computed again for
the examples that were chosen: each context that holds one goes through the model once, for all
features and dictionaries. Takes an atlas being written and completes its silent groups.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from app.db.examples import iterate_group
from app.db.records import ExampleGroup
from app.db.writer import AtlasWriter
from app.precompute.events import Target
from app.precompute.model import LanguageModel
from app.precompute.workers import Workers
from app.stats.corpus import Corpus


@dataclass(frozen=True)
class _Asked:
    """The silent examples of one dictionary, all features one after the other."""

    context_id: Int64[np.ndarray, " n"]
    position: Int64[np.ndarray, " n"]
    feature_index: Int64[np.ndarray, " n"]
    hidden_pre: Float32[np.ndarray, " n"]
    """filled as the contexts come by"""


def measure_silent_examples(
    writer: AtlasWriter,
    targets: Mapping[int, Target],
    model: LanguageModel,
    corpus: Corpus,
    *,
    batch_contexts: int,
    advance: Callable[[int], None],
) -> None:
    """Fills `hidden_pre` of every silent group; `targets` by sae_id; `advance` counts contexts."""
    asked = {sae_id: _asked(writer, sae_id) for sae_id in targets}
    wanted = silent_contexts(list(asked.values()))
    hook_names = [target.hook_name for target in targets.values()]

    def measure(twin: LanguageModel, batch: Int64[np.ndarray, " batch"]) -> int:
        tokens = torch.from_numpy(corpus.tokens[batch].astype(np.int64))
        activations = twin.activations(tokens, hook_names)
        for sae_id, target in targets.items():
            _fill(asked[sae_id], batch, activations[target.hook_name], target)
        return len(batch)

    batches = (wanted[i : i + batch_contexts] for i in range(0, len(wanted), batch_contexts))
    for n_done in Workers(model).map(measure, batches):
        advance(n_done)
    for sae_id, examples in asked.items():
        _store(writer, sae_id, examples)


def count_silent_contexts(writer: AtlasWriter, sae_ids: Sequence[int]) -> int:
    """How many contexts `measure_silent_examples` will run."""
    return len(silent_contexts([_asked(writer, sae_id) for sae_id in sae_ids]))


def silent_contexts(asked: Sequence[_Asked]) -> Int64[np.ndarray, " n"]:
    """The distinct contexts that hold a silent example, ascending."""
    return np.unique(np.concatenate([item.context_id for item in asked]))


def _asked(writer: AtlasWriter, sae_id: int) -> _Asked:
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for feature_index, group in iterate_group(writer.connection, sae_id, "silent"):
        feature = np.full(len(group.position), feature_index, np.int64)
        parts.append((group.context_id.astype(np.int64), group.position.astype(np.int64), feature))
    none = (np.zeros(0, np.int64),) * 3
    context_id, position, feature_index = (
        np.concatenate(column) for column in zip(none, *parts, strict=True)
    )
    hidden_pre = np.full(len(feature_index), np.nan, np.float32)
    return _Asked(context_id, position, feature_index, hidden_pre)


def _fill(asked: _Asked, batch: Int64[np.ndarray, " batch"], x: Tensor, target: Target) -> None:
    here = np.flatnonzero((asked.context_id >= batch[0]) & (asked.context_id <= batch[-1]))
    row = torch.from_numpy(np.searchsorted(batch, asked.context_id[here]))
    position = torch.from_numpy(asked.position[here])
    feature = torch.from_numpy(asked.feature_index[here]).to(x.device)
    _, hidden_pre = target.dictionary.encode_pairs(x[row, position].float(), feature)
    asked.hidden_pre[here] = hidden_pre.float().cpu().numpy()


def _store(writer: AtlasWriter, sae_id: int, asked: _Asked) -> None:
    done = 0
    updated: list[tuple[int, ExampleGroup]] = []
    for feature_index, group in iterate_group(writer.connection, sae_id, "silent"):
        n = len(group.position)
        measured = asked.hidden_pre[done : done + n]
        updated.append((feature_index, replace(group, hidden_pre=measured)))
        done += n
    writer.update_examples(sae_id, "silent", updated)
