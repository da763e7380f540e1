"""Activations of some examples computed again by the model and the dictionary themselves.

Of each sampled feature a few contexts that its examples lie in are run, and its activation at every
counted token is held against the stored firings. Equal means: apart by at most `TOLERANCE` of the
feature's largest activation; one in a hundred firings may fall on the other side of a threshold.
Silent examples and near misses are held against their `hidden_pre`. Takes paths, gives
contradictions as sentences. Needs torch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from sqlalchemy import Connection

from app.check.subject import Subject
from app.db.examples import get_contexts, get_groups
from app.db.features import get_feature
from app.db.records import ContextRecord, ExampleGroup
from app.db.tokens import get_tokens
from app.errors import AtlasError
from app.precompute.model.agreement import TOLERANCE as AGREEMENT
from app.precompute.model.language_model import LanguageModel
from app.precompute.preparation import settled
from app.precompute.target import Target
from app.precompute.targets import device_of
from app.sae.dictionary import Dictionary
from app.sae.readers import load_dictionary

TOLERANCE = {str(dtype).removeprefix("torch."): bound for dtype, bound in AGREEMENT.items()}
"""By the model's dtype, as a share of the feature's largest activation."""

MAY_FLIP = 0.01
"""Share of a feature's firings that may be on the other side of its threshold."""

CONTEXTS = (("top", 3), ("interval", 2), ("silent", 1), ("near", 1))
"""Contexts of how many examples of each group are run."""

BATCH = 8


@dataclass(frozen=True)
class Stored:
    """What the atlas says of one feature in some contexts."""

    feature_index: int
    max_activation: float
    firings: dict[int, dict[int, float]]
    """activation by context and position, of every firing"""
    hidden_pre: list[tuple[int, int, float]]
    """(context, position, hidden_pre) of silent examples and near misses"""


def remeasure_problems(
    connection: Connection, subjects: Sequence[Subject], model_path: Path, paths: Sequence[Path]
) -> tuple[list[Subject], list[str]]:
    """The dictionaries that could be run, and everything that differs.

    Raises:
        AtlasError: the model isn't the one the atlas was made from, or a dictionary is none of its.
    """
    matched = _matched(subjects, paths)
    problems: list[str] = []
    models: dict[str, LanguageModel] = {}
    for subject, dictionary in matched:
        record = subject.sae.record
        dtype = record.recipe.get("dtype", "float32")
        if dtype not in models:
            models[dtype] = LanguageModel.load(str(model_path), device_of("auto"), dtype)
        model = models[dtype]
        if model.weights_hash() != subject.sae.model.weights_hash:
            raise AtlasError(
                f"{model_path} is not the model {record.model} was made from: its weights differ."
            )
        target = _settled(model, subject, dictionary)
        with torch.no_grad():
            problems += _problems(connection, subject, model, target, TOLERANCE[dtype])
    return [subject for subject, _ in matched], problems


def _matched(
    subjects: Sequence[Subject], paths: Sequence[Path]
) -> list[tuple[Subject, Dictionary]]:
    """Which dictionary of the atlas each path holds, told by the hash of its weights."""
    matched = []
    for path in paths:
        formats = {subject.sae.record.sae_format for subject in subjects}
        dictionary = load_dictionary(path, sae_format=formats.pop() if len(formats) == 1 else None)
        own = [
            subject for subject in subjects if _weights_hash(subject) == dictionary.weights_hash()
        ]
        if not own:
            raise AtlasError(
                f"{path} is none of the atlas' dictionaries: their weights have other hashes."
            )
        matched += [(subject, dictionary) for subject in own]
    return matched


def _weights_hash(subject: Subject) -> str:
    """Of the file's weights, before an input scale was folded into them."""
    record = subject.sae.record
    known = record.recipe.get("saes", {}).get(record.sae, {})
    return known.get("weights_hash", record.weights_hash)


def _settled(model: LanguageModel, subject: Subject, dictionary: Dictionary) -> Target:
    record = subject.sae.record
    target = Target(
        record.sae, dictionary.to(model.device), record.hook_name, Path(), record.hook_name_out
    )
    if not dictionary.config.input_scale_unsettled:
        return target
    if subject.beside is None:
        raise AtlasError(
            f"The input scale of {subject.sae.address} was estimated on its corpus, which is not "
            "beside the atlas: put the events folder back, or leave this dictionary out."
        )
    (found,) = settled(model, [target], subject.beside.corpus)
    return found


def _problems(
    connection: Connection,
    subject: Subject,
    model: LanguageModel,
    target: Target,
    tolerance: float,
) -> Iterator[str]:
    stored = list(_stored(connection, subject))
    wanted = sorted({context_id for item in stored for context_id in item.firings})
    contexts = get_contexts(connection, subject.sae.corpus_id, wanted)
    special = _special(connection, subject, contexts)
    acts: dict[tuple[int, int], Float[np.ndarray, " pos"]] = {}
    hidden: dict[tuple[int, int], Float[np.ndarray, " pos"]] = {}
    for start in range(0, len(wanted), BATCH):
        batch = [
            context_id for context_id in wanted[start : start + BATCH] if context_id in contexts
        ]
        tokens = np.stack([contexts[context_id].token_ids for context_id in batch])
        found = model.activations(torch.from_numpy(tokens.astype(np.int64)), [target.hook_name])
        for context_id, x in zip(batch, found[target.hook_name], strict=True):
            own = [item.feature_index for item in stored if context_id in item.firings]
            measured = target.weights.encode_features(x.float(), torch.tensor(own))
            columns = [part.float().cpu().numpy().T for part in measured]
            for index, act, pre in zip(own, *columns, strict=True):
                acts[index, context_id], hidden[index, context_id] = act, pre
    for item in stored:
        where = f"{subject.sae.address} feature {item.feature_index}"
        limit = tolerance * item.max_activation
        yield from _differences(where, item, acts, contexts, special, limit)
        for context_id, position, value in item.hidden_pre:
            if (item.feature_index, context_id) not in hidden or np.isnan(value):
                continue
            again = float(hidden[item.feature_index, context_id][position])
            if abs(again - value) > max(limit, tolerance * abs(value)):
                yield (
                    f"{where}: hidden_pre at context {context_id}, position {position} is "
                    f"{value:.6g}, the model gives {again:.6g}."
                )


def _differences(
    where: str,
    item: Stored,
    acts: dict[tuple[int, int], Float[np.ndarray, " pos"]],
    contexts: dict[int, ContextRecord],
    special: dict[int, Bool[np.ndarray, " pos"]],
    limit: float,
) -> Iterator[str]:
    """Where the activations of one feature are further apart than `limit`."""
    flips: list[str] = []
    n_firings = 0
    for context_id, firings in item.firings.items():
        if context_id not in contexts:
            continue  # said by the check of examples
        again = np.where(special[context_id], 0, acts[item.feature_index, context_id])
        stored = np.zeros_like(again)
        stored[list(firings)] = list(firings.values())
        n_firings += len(firings)
        for position in np.flatnonzero(np.abs(again - stored) > limit).tolist():
            problem = (
                f"{where}: the activation at context {context_id}, position {position} is "
                f"{stored[position]:.6g}, the model gives {again[position]:.6g}."
            )
            if stored[position] == 0 or again[position] == 0:
                flips.append(problem)
            else:
                yield problem
    if len(flips) > MAY_FLIP * n_firings:
        yield from flips


def _stored(connection: Connection, subject: Subject) -> Iterator[Stored]:
    """What the atlas says of the sampled features in the contexts of some of their examples."""
    for index in subject.sample.tolist():
        record = get_feature(connection, subject.sae.sae_id, index)
        groups = get_groups(connection, subject.sae.sae_id, index)
        if record is None or record.max_activation is None:
            continue
        firings: dict[int, dict[int, float]] = {}
        hidden_pre: list[tuple[int, int, float]] = []
        for group, n in CONTEXTS:
            if group not in groups:
                continue
            examples = groups[group][0]
            for row in _rows(examples, n):
                context_id = int(examples.context_id[row])
                own = slice(int(examples.firing_indptr[row]), int(examples.firing_indptr[row + 1]))
                firings[context_id] = dict(
                    zip(
                        examples.firing_position[own].tolist(),
                        examples.firing_activation[own].tolist(),
                        strict=True,
                    )
                )
                if group in ("silent", "near"):
                    value = float(examples.hidden_pre[row])
                    hidden_pre.append((context_id, int(examples.position[row]), value))
        yield Stored(index, record.max_activation, firings, hidden_pre)


def _rows(examples: ExampleGroup, n: int) -> Int64[np.ndarray, " m"]:
    """`n` examples spread over the group, the first among them."""
    size = examples.position.size
    return np.unique(np.linspace(0, size - 1, min(n, size)).astype(np.int64))


def _special(
    connection: Connection, subject: Subject, contexts: dict[int, ContextRecord]
) -> dict[int, Bool[np.ndarray, " pos"]]:
    """Positions of each context at which nothing is counted: the first, special tokens, padding."""
    ids = {int(i) for context in contexts.values() for i in np.unique(context.token_ids)}
    special = [
        i for i, token in get_tokens(connection, subject.sae.model_id, ids).items() if token.special
    ]
    found = {}
    for context_id, context in contexts.items():
        uncounted = np.isin(context.token_ids, special)
        uncounted[0] = True
        if subject.sae.corpus.packing != "array":
            uncounted |= context.document_ids < 0
        found[context_id] = uncounted
    return found
