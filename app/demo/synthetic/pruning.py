"""What the study of pruning would find: steps and L0 from the invented firings, the rest invented.

A pruning costs more the more of all activation it takes away; there is no model behind it. Takes
firings, gives a record.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from app.db.records import CorpusRecord, QualityRecord, SaeRecord
from app.db.study_records.pruning import Measured, Pruning, RandomSweep, Reselected, Sweep
from app.demo.synthetic.firings import Firings
from app.stats.clustered import ratio
from app.stats.pruning import Ladder, make_plan, thresholds

_CONTEXTS = 8
_STEPS = 8
_DRAWS = 2


def make_pruning(
    firings: Sequence[Firings], record: SaeRecord, corpus: CorpusRecord, seed: int
) -> Pruning:
    """The same arguments give the same record."""
    n_active, n_tokens = np.array([item.n_active for item in firings]), corpus.n_counted
    plan = make_plan(n_active, n_tokens, n_levels=_STEPS, n_draws=_DRAWS, seed=seed)
    mass = np.array([item.activation.sum() for item in firings])
    quality, selects = record.quality, record.architecture == "topk"
    context_ids = np.arange(min(_CONTEXTS, corpus.n_contexts))
    context_n_tokens = np.full(context_ids.size, corpus.context_size - 1)
    invented = _Invented(quality, mass / max(mass.sum(), 1e-9), context_n_tokens, seed)

    def swept(ladder: Ladder) -> Sweep:
        gone = [ladder.removed(step) for step in range(ladder.n_removed.size)]
        kept = invented.measured(gone, 0.8)
        return Sweep(
            thresholds(ladder, n_active, n_tokens), ladder.n_removed, ladder.l0, ladder.level,
            invented.measured(gone, 1.0), kept,
            Reselected(np.full(len(gone), plan.l0), kept) if selects else None,
        )  # fmt: skip

    draws = [[item.removed(i) for i in range(_STEPS)] for item in plan.random]
    flat, shape = [gone for draw in draws for gone in draw], (len(draws), _STEPS)
    assert quality.ce_clean is not None
    assert quality.ce_zero_ablated is not None and quality.ce_mean_ablated is not None
    return Pruning(
        l0=plan.l0,
        n_living=int(plan.dense.order.size),
        n_tokens=n_tokens,
        context_ids=context_ids,
        context_n_tokens=context_n_tokens,
        ce_clean=quality.ce_clean,
        ce_clean_error=quality.ce_clean_error,
        ce_zero_ablated=quality.ce_zero_ablated,
        ce_mean_ablated=quality.ce_mean_ablated,
        selects=selects,
        whole=invented.measured([plan.dense.order[:0]], 1.0),
        none=invented.measured([plan.dense.order] * 2, 1.0),
        dense=swept(plan.dense),
        rare=swept(plan.rare),
        random=RandomSweep(
            np.array([item.n_removed for item in plan.random]).reshape(shape),
            np.array([item.l0 for item in plan.random]).reshape(shape),
            _shaped(invented.measured(flat, 1.0), shape),
            _shaped(invented.measured(flat, 0.8), shape),
        ),
    )


class _Invented:
    """What prunings cost, by a rule without a model."""

    def __init__(
        self,
        quality: QualityRecord,
        mass: Float[ndarray, " n_features"],
        n_tokens: Int[ndarray, " n_contexts"],
        seed: int,
    ) -> None:
        self._quality, self._mass = quality, mass
        self._n_tokens = n_tokens.astype(np.float64)
        factors = np.random.default_rng([seed, 6]).normal(1.0, 0.1, n_tokens.size)
        self._factors = factors / factors.mean()

    def measured(self, gone: Sequence[Int[ndarray, " _n"]], harm: float) -> Measured:
        """`harm`: how much of the full cost is to be paid."""
        quality = self._quality
        lost = harm * np.array([self._mass[indices].sum() for indices in gone])
        assert quality.delta_ce is not None and quality.explained_variance is not None
        span_mean, span_zero = (
            (ablated or 0.0) - (quality.ce_clean or 0.0)
            for ablated in (quality.ce_mean_ablated, quality.ce_zero_ablated)
        )
        mean_cost = quality.delta_ce + (span_mean - quality.delta_ce) * lost**1.5
        delta = mean_cost[:, None] * self._n_tokens * self._factors
        delta_ce, delta_error = ratio(delta, self._n_tokens)
        against_mean, mean_error = ratio(delta, span_mean * self._n_tokens)
        against_zero, zero_error = ratio(delta, span_zero * self._n_tokens)
        explained = quality.explained_variance * (1 - 1.4 * lost**1.3)
        return Measured(
            mse=(1 - explained) * 0.25,
            explained_variance=explained,
            delta_ce=delta_ce,
            delta_ce_error=delta_error,
            recovered_mean=np.round(1 - against_mean, 12),
            recovered_mean_error=mean_error,
            recovered_zero=np.round(1 - against_zero, 12),
            recovered_zero_error=zero_error,
            delta_by_context=delta.astype(np.float32),
        )


def _shaped(found: Measured, shape: tuple[int, int]) -> Measured:
    return Measured(
        **{name: values.reshape(*shape, *values.shape[1:]) for name, values in vars(found).items()}
    )
