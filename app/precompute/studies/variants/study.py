"""The study "variants": the figures other tools print, for the same dictionaries.

They differ from this project's by formula, by which tokens count and by taking batch by batch; here
they are computed as those tools do, on the contexts the cross-entropies are measured on. A piece is
one batch, of all dictionaries. `app/stats/variants.py` has the formulas.
"""

from collections.abc import Sequence

import numpy as np

from app.db.study_records.variants import Variants
from app.precompute.drivers.driver import Piece, Task
from app.precompute.preparation import Run
from app.precompute.quality import stretches
from app.precompute.studies.catalog import VARIANTS
from app.precompute.studies.spreads import spread_of
from app.precompute.studies.study import Harvest, Price, Study
from app.precompute.studies.variants.measure import Batch, measure_batch
from app.precompute.target import Target
from app.precompute.workplace.findings import Findings
from app.stats.distribution import distribution
from app.stats.variants import variants

CONTEXTS_A_BATCH = 8
"""What those tools average over batches depends on their size; SAELens' own is 8."""


def price(run: Run) -> Price:
    """A clean pass of the sample, one for each hook, one for each dictionary."""
    n_contexts = min(run.job.settings.variant_contexts, run.corpus.n_contexts)
    hooks = {target.hook_name for target in run.targets}
    n_passes = 1 + len(hooks) + len(run.targets)
    words = f"{n_contexts:,} contexts, {n_passes} times: clean, zeroed and with each dictionary"
    return Price(n_contexts * run.corpus.context_size * n_passes, words)


def pieces(run: Run, _findings: Findings) -> list[Piece]:
    """One for each batch; none where no context is asked for."""
    return [
        Piece((VARIANTS.name,), f"{number:06d}", len(stretch.context_ids), stretch)
        for number, stretch in enumerate(
            stretches(run, run.job.settings.variant_contexts, CONTEXTS_A_BATCH)
        )
    ]


def harvest(run: Run, findings: Findings) -> Harvest:
    """A record for each dictionary; none where no context was asked for."""
    batches: list[Batch] = list(findings.of(VARIANTS.name))
    if not batches:
        return Harvest()
    return Harvest(of_dictionaries={target.sae: _record(target, batches) for target in run.targets})


def _record(target: Target, batches: Sequence[Batch]) -> Variants:
    own = [batch.saes[target.sae] for batch in batches]
    counted = [found.counted for found in own if found.counted is not None]
    n_predicted = sum(batch.n_predicted for batch in batches)
    n_all = sum(batch.n_positions for batch in batches)
    zero = [batch.zero[target.hook_name] for batch in batches]
    clean = np.array([batch.clean for batch in batches])
    spliced = np.array([found.spliced.cross_entropy for found in own])
    zeroed = np.array([losses.cross_entropy for losses in zero])
    kl_spliced = sum(found.spliced.divergence for found in own)
    kl_zero = sum(losses.divergence for losses in zero)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_batch = (zeroed - spliced) / (zeroed - clean)
        score = (zeroed.sum() - spliced.sum()) / (zeroed.sum() - clean.sum())
        kl_score = np.float64(kl_zero - kl_spliced) / kl_zero
    return Variants(
        n_contexts=sum(batch.n_contexts for batch in batches),
        contexts_per_batch=CONTEXTS_A_BATCH,
        n_counted=sum(sums.n for sums in counted),
        n_all=n_all,
        n_predicted=n_predicted,
        counted=variants(counted),
        every=variants([found.every for found in own]),
        explained=spread_of(distribution(lambda: [_known(found.explained) for found in own])),
        ce_clean=float(clean.sum() / n_predicted),
        ce_spliced=float(spliced.sum() / n_predicted),
        ce_zero=float(zeroed.sum() / n_predicted),
        kl_spliced=kl_spliced / n_all,
        kl_zero=kl_zero / n_all,
        ce_score=float(score),
        ce_score_by_batch=float(by_batch.mean()),
        kl_score=float(kl_score),
    )


def _known(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]


STUDY = Study(VARIANTS, "contexts", Task(measure_batch, "model"), price, pieces, harvest)
