"""The record of the study "variants", from the sums of all batches.

Takes batches in order, gives means and scores as other tools take them. Knows no model.
"""

from collections.abc import Sequence

import numpy as np

from app.db.study_records.variants import Variants
from app.precompute.studies.spreads import spread_of
from app.precompute.studies.variants.batch import Batch
from app.stats.distribution import distribution
from app.stats.variants import variants


def variants_record(
    batches: Sequence[Batch], sae: str, hook_name: str, contexts_per_batch: int
) -> Variants:
    """Of one dictionary, over at least one batch."""
    own = [batch.saes[sae] for batch in batches]
    counted = [found.counted for found in own if found.counted is not None]
    n_predicted = sum(batch.n_predicted for batch in batches)
    n_all = sum(batch.n_positions for batch in batches)
    zero = [batch.zero[hook_name] for batch in batches]
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
        contexts_per_batch=contexts_per_batch,
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
