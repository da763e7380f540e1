"""The study "pruning" as pieces of a driver: what is tried, its price, and its records.

Takes a run whose events and statistics are there. A piece is a stretch of a seeded sample of
contexts, for all dictionaries at once; what it measures `sweep.py` knows, which features go
`app.stats.pruning`. The sample begins with that of the quality stage: the same seed, the same
stream, so one is the beginning of the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from app.db.study_records.pruning import Pruning
from app.precompute.ablation.texts import Mount
from app.precompute.drivers.driver import Piece, Task
from app.precompute.events.events import sampled_contexts
from app.precompute.preparation import Run
from app.precompute.quality import SPLICE_STREAM, output_means
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.catalog import PRUNING
from app.precompute.studies.pruning.records import Tried, pruning_record
from app.precompute.studies.pruning.sweep import PASSES_A_HOOK, SweepSums, ToPrune, sweep
from app.precompute.studies.study import Harvest, Price, Study
from app.precompute.target import Target
from app.precompute.workplace.findings import Findings
from app.stats.events import EventStore
from app.stats.pruning import Ladder, Plan, make_plan

CONTEXTS_A_PIECE = 4
"""Fixed, as the batches of a piece show in the last digits: sizes of machines must not."""

WHOLE, NONE, DENSE, RARE = "whole", "none", "dense", "rare"
_UNTIL_NOTHING_OR_ALL = 4
"""passes with nothing and with everything removed, zeroed and folded"""


@dataclass(frozen=True)
class OfDictionary:
    """What its steps follow from."""

    n_active: Int64[ndarray, " d_sae"]
    means: Float64[ndarray, " d_sae"]
    """mean activation over all counted tokens"""


@dataclass(frozen=True)
class Stretch:
    """Some contexts of the sample, and what is at hand about the corpus."""

    context_ids: Int64[ndarray, " n"]
    means: Mapping[str, Float64[ndarray, " _d_out"]]
    """the mean activation over the whole corpus, by the hook that is written"""
    dictionaries: Mapping[str, OfDictionary]


def pruning_price(run: Run) -> Price:
    """Passes of the sample: all of them counted whole, though most run only a part of the model."""
    settings = run.job.settings
    n_hooks = len({target.output_hook for target in run.targets})
    steps = settings.pruning_thresholds
    passes = 1 + PASSES_A_HOOK * n_hooks
    for target in run.targets:
        passes += _UNTIL_NOTHING_OR_ALL + 2 * steps * (2 + settings.pruning_draws)
        if _selects(target):
            passes += 2 * steps
    n_contexts = min(settings.pruning_contexts, run.corpus.n_contexts)
    if not n_contexts:
        return Price(words="nothing is measured, as --pruning-contexts is 0")
    return Price(
        n_contexts * run.corpus.context_size * passes,
        f"{n_contexts:,} contexts up to {passes:,} times; but for the first of these passes of a "
        "batch only the layers above the hook are run",
    )


def pruning_pieces(run: Run, findings: Findings) -> list[Piece]:
    """The sample, ascending, in stretches; none where no token of it counts."""
    chosen = _sample(run)
    if not chosen.size:
        return []
    means = output_means(run)
    found = {target.sae: _of_dictionary(run, findings, target) for target in run.targets}
    return [
        Piece((PRUNING.name,), f"{number:06d}", len(ids), Stretch(ids, means, found))
        for number, first in enumerate(range(0, len(chosen), CONTEXTS_A_PIECE))
        if len(ids := chosen[first : first + CONTEXTS_A_PIECE])
    ]


def prune(run: Run, stretch: Stretch) -> SweepSums:
    """One stretch through the model, with every pruning of every dictionary."""
    asked = {}
    for sae, plan in _plans(run, _n_active_of(stretch)).items():
        target = run.target(sae)
        before = (DENSE, RARE) if _selects(target) else ()
        mount = Mount.of(target)
        means = stretch.dictionaries[sae].means
        asked[sae] = ToPrune(mount, means, ladders_of(plan), before)
    ids, corpus = stretch.context_ids, run.corpus
    return sweep(run.language_model, asked, corpus.tokens[ids], corpus.counted[ids], stretch.means)


def pruning_harvest(run: Run, findings: Findings) -> Harvest:
    """A record of each dictionary."""
    parts = list(findings.of(PRUNING.name))
    if not parts:
        return Harvest()
    sums = SweepSums.joined(parts)
    ids = _sample(run)
    n_active = {target.sae: EventStore.open(target.folder).n_active() for target in run.targets}
    plans = _plans(run, n_active)
    records: dict[str, Pruning] = {}
    for target in run.targets:
        records[target.sae] = pruning_record(
            Tried(plans[target.sae], n_active[target.sae], run.corpus.n_tokens),
            sums.clean,
            sums.hooks[target.output_hook],
            sums.costs[target.sae],
            ids,
            run.corpus.counted[ids].sum(axis=1).astype(np.int64),
        )
    return Harvest(of_dictionaries=records)


STUDY = Study(
    PRUNING, "contexts", Task(prune, "model"), pruning_price, pruning_pieces, pruning_harvest
)


def _sample(run: Run) -> Int64[ndarray, " n_contexts"]:
    """Ascending; without the contexts in which no token counts."""
    n, seed = run.job.settings.pruning_contexts, run.job.settings.seed
    sampled = sampled_contexts(run.corpus.n_contexts, n, seed, stream=SPLICE_STREAM)
    chosen = np.flatnonzero(sampled)
    return chosen[run.corpus.counted[chosen].any(axis=1)]


def _of_dictionary(run: Run, findings: Findings, target: Target) -> OfDictionary:
    ranges = list(findings.ranges(target.sae))
    n_active = np.concatenate([found.n_active for found in ranges])
    means = np.concatenate([found.moments.mean for found in ranges])
    total = np.where(n_active > 0, means * n_active, 0.0)
    return OfDictionary(n_active, total / run.corpus.n_tokens)


def _n_active_of(stretch: Stretch) -> dict[str, Int64[ndarray, " d_sae"]]:
    return {sae: found.n_active for sae, found in stretch.dictionaries.items()}


def _plans(run: Run, n_active: Mapping[str, Int64[ndarray, " d_sae"]]) -> dict[str, Plan]:
    """The steps of each dictionary; the L0 of others at its hook is what should be hit."""
    settings: PrecomputeSettings = run.job.settings
    l0 = {sae: float(counts.sum() / run.corpus.n_tokens) for sae, counts in n_active.items()}
    return {
        target.sae: make_plan(
            n_active[target.sae],
            run.corpus.n_tokens,
            n_levels=settings.pruning_thresholds,
            n_draws=settings.pruning_draws,
            seed=settings.seed,
            wanted=[
                l0[other.sae]
                for other in run.targets
                if other.hooks == target.hooks and other.sae != target.sae
            ],
        )
        for target in run.targets
    }


def ladders_of(plan: Plan) -> dict[str, Ladder]:
    """By name; the two ends first."""
    order, zero = plan.dense.order, np.zeros(1, dtype=np.int64)
    return {
        WHOLE: Ladder(order, zero, zero, np.full(1, plan.l0)),
        NONE: Ladder(order, np.full(1, order.size), zero, np.zeros(1)),
        DENSE: plan.dense,
        RARE: plan.rare,
        **{f"random {draw:03d}": ladder for draw, ladder in enumerate(plan.random)},
    }


def _selects(target: Target) -> bool:
    return target.dictionary.selects_across_features
