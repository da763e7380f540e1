"""Connections as pieces: stretches of features, and a sample of examples on which removal is tried.

Takes a run whose statistics are done. Says beforehand what it costs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer

from app.precompute.ablation.branches import BATCH_TOKENS, batches
from app.precompute.drivers.driver import Piece, Task
from app.precompute.model.frozen import FrozenModel, frozen
from app.precompute.preparation import Run
from app.precompute.studies.connections.attribution import (
    Attributed,
    Attributor,
    Batch,
)
from app.precompute.studies.connections.chosen import Peak, peaks_of
from app.precompute.studies.connections.pairs import Below, pairs_of
from app.precompute.studies.connections.removal import (
    DRAWN,
    STRONGEST,
    remove,
)
from app.precompute.studies.connections.sums import Checked, Measured, Sums
from app.precompute.studies.study import Price
from app.precompute.workplace.findings import Findings
from app.stats.hashing import place_hashes

STAGE = "connections"
FEATURES_A_PIECE = 64
CHECKS_A_PIECE = 16


@dataclass(frozen=True)
class Asked:
    """What one piece works on."""

    sae: str
    """the upper dictionary"""
    below: list[str]
    peaks: list[Peak]
    """by feature"""
    removes: bool
    """whether removal is tried on them, or all their connections are measured"""


def price_connections(run: Run) -> Price:
    """At most: every feature has all its examples, each at the end of its context.

    Raises:
        AtlasError: patterns or scales between two dictionaries can't be held.
    """
    settings, pairs = run.job.settings, pairs_of(run)
    if not pairs or not settings.connection_examples:
        return Price()
    size = run.corpus.context_size
    features = sum(pair.target.dictionary.config.d_sae for pair in pairs)
    measured = features * settings.connection_examples * size
    each = sum(1 + (1 + STRONGEST + DRAWN) * len(pair.below) for pair in pairs)
    n_pairs = sum(len(pair.below) for pair in pairs)
    return Price(
        measured + settings.connection_checks * each * size,
        f"back through the layers between on {measured:,} of them at most, for "
        f"{settings.connection_examples} examples of each of {features:,} features and "
        f"{n_pairs} {'pair' if n_pairs == 1 else 'pairs'} of dictionaries",
    )


def connection_pieces(run: Run, findings: Findings) -> list[Piece]:
    """Stretches of every dictionary with others below it, then the examples removal is tried on."""
    pieces: list[Piece] = []
    settings = run.job.settings
    if not settings.connection_examples:
        return pieces
    for pair in pairs_of(run):
        sae, below = pair.target.sae, [target.sae for target in pair.below]
        examples = findings.examples([sae], ["top", "interval"])
        features = list(peaks_of(examples, settings.connection_examples))
        for start in range(0, len(features), FEATURES_A_PIECE):
            some = [peak for own in features[start : start + FEATURES_A_PIECE] for peak in own]
            asked = Asked(sae, below, some, removes=False)
            pieces.append(Piece((STAGE,), f"{sae} {start:08d}", len(some), asked))
        every = [peak for own in features for peak in own]
        sample = _drawn(every, settings.seed, settings.connection_checks)
        for start in range(0, len(sample), CHECKS_A_PIECE):
            some = sample[start : start + CHECKS_A_PIECE]
            asked = Asked(sae, below, some, removes=True)
            pieces.append(Piece((STAGE,), f"{sae} removal {start:08d}", len(some), asked))
    return pieces


def measure_connections(run: Run, asked: Asked) -> Measured | Checked:
    """One piece."""
    pair = Below(run.target(asked.sae), [run.target(sae) for sae in asked.below])
    with frozen(run.language_model, pair.hook_names) as model:
        assert model is not None, (
            pair.hook_names
        )  # pieces are made of pairs that the plain modules reach
        return (
            _check(run, pair, asked, model) if asked.removes else _measure(run, pair, asked, model)
        )


MEASURED = Task(measure_connections, "model")


def _measure(run: Run, pair: Below, asked: Asked, model: FrozenModel) -> Measured:
    attributor = Attributor(model, pair.target, pair.below, run.job.tile_features)
    features, which = np.unique([peak.feature_index for peak in asked.peaks], return_inverse=True)
    hidden_pre = np.zeros(len(features))
    sums = {sae: Sums(len(features)) for sae in asked.below}
    for rows, _, attributed in _attributed(run, attributor, asked.peaks):
        np.add.at(hidden_pre, which[rows], attributed.hidden_pre)
        for sae, parts in attributed.below.items():
            sums[sae].add(which[rows], attributed, parts)
    return Measured(
        sae=asked.sae,
        feature_index=features,
        n_examples=np.bincount(which, minlength=len(features)),
        hidden_pre=hidden_pre,
        below={sae: found.parts(run.job.settings.connection_kept) for sae, found in sums.items()},
    )


def _check(run: Run, pair: Below, asked: Asked, model: FrozenModel) -> Checked:
    attributor = Attributor(model, pair.target, pair.below, run.job.tile_features)
    seed = run.job.settings.seed
    removed = [
        remove(model, pair.target, target, batch, found.hidden_pre, found.below[target.sae], seed)
        for _, batch, found in _attributed(run, attributor, asked.peaks)
        for target in pair.below
    ]
    return Checked(asked.sae, len(asked.peaks), removed)


def _attributed(
    run: Run, attributor: Attributor, peaks: Sequence[Peak]
) -> Iterator[tuple[Integer[np.ndarray, " rows"], Batch, Attributed]]:
    """(which peaks, they as a batch, what was attributed), peaks of similar length together."""
    corpus = run.corpus
    kind = "cpu" if run.model.device.type == "cpu" else "cuda"
    for rows in batches([peak.position + 1 for peak in peaks], BATCH_TOKENS[kind]):
        some = [peaks[i] for i in rows]
        context = np.array([peak.context_id for peak in some])
        position = np.array([peak.position for peak in some], np.int64)
        width = int(position.max()) + 1
        batch = Batch(
            tokens=corpus.tokens[context, :width].astype(np.int64),
            counted=np.asarray(corpus.counted[context, :width]),
            position=position,
            feature_index=np.array([peak.feature_index for peak in some], np.int64),
        )
        yield rows, batch, attributor.attribute(batch)


def _drawn(peaks: Sequence[Peak], seed: int, n: int) -> list[Peak]:
    """n of them, by the smallest hashes of (feature, context), in that order."""
    feature = np.array([peak.feature_index for peak in peaks], np.int64)
    context = np.array([peak.context_id for peak in peaks], np.int64)
    hashes = place_hashes(seed, 0, feature, context)
    return [peaks[i] for i in np.argsort(hashes, kind="stable")[:n]]
