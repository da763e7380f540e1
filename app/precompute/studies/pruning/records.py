"""Sums of a sweep as the record of one dictionary.

Takes what was tried and its sums by context; gives figures with standard errors. The formulas are
those of the quality stage, over the sample. Knows no model.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from app.db.study_records.pruning import Measured, Pruning, RandomSweep, Reselected, Sweep
from app.precompute.studies.pruning.sweep import AtHook, Costs
from app.stats.clustered import ratio
from app.stats.pruning import Ladder, Plan, thresholds


@dataclass(frozen=True)
class Tried:
    """The steps, and what they followed from."""

    plan: Plan
    n_active: Int64[ndarray, " d_sae"]
    n_tokens: int
    """counted tokens of the corpus"""


def pruning_record(
    tried: Tried,
    clean: Float64[ndarray, " n_contexts"],
    hook: AtHook,
    costs: Mapping[str, Costs],
    context_ids: Int64[ndarray, " n_contexts"],
    context_n_tokens: Int64[ndarray, " n_contexts"],
) -> Pruning:
    """The record of a dictionary. `costs`: by ladder."""
    plan, per_context = tried.plan, context_n_tokens.astype(np.float64)
    figures = _Figures(clean, hook, per_context)
    ce_clean, error = ratio(clean, per_context)
    draws = [costs[name] for name in sorted(costs) if name.startswith("random ")]
    return Pruning(
        l0=plan.l0,
        n_living=int(plan.dense.order.size),
        n_tokens=tried.n_tokens,
        context_ids=context_ids,
        context_n_tokens=context_n_tokens,
        ce_clean=float(ce_clean),
        ce_clean_error=None if np.isnan(error) else float(error),
        ce_zero_ablated=float(ratio(hook.zero, per_context)[0]),
        ce_mean_ablated=float(ratio(hook.mean, per_context)[0]),
        selects="before dense" in costs,
        whole=figures.measured(costs["whole"].ce[:, 0], costs["whole"].residual_squared[:, 0]),
        none=figures.measured(costs["none"].ce[0], costs["none"].residual_squared[0]),
        dense=_sweep(tried, plan.dense, figures, costs["dense"], costs.get("before dense")),
        rare=_sweep(tried, plan.rare, figures, costs["rare"], costs.get("before rare")),
        random=_random(plan, figures, draws),
    )


@dataclass(frozen=True)
class _Figures:
    """Figures of prunings from their sums."""

    clean: Float64[ndarray, " n_contexts"]
    hook: AtHook
    n_tokens: Float64[ndarray, " n_contexts"]

    def measured(
        self,
        ce: Float64[ndarray, "*prunings n_contexts"],
        residual_squared: Float64[ndarray, "*prunings"],
    ) -> Measured:
        total, d_in = self.n_tokens.sum(), self.hook.sum_x.size
        variance = self.hook.x_squared - float(self.hook.sum_x @ self.hook.sum_x) / total
        delta = ce - self.clean
        delta_ce, delta_error = ratio(delta, self.n_tokens)
        lost_mean, mean_error = ratio(delta, self.hook.mean - self.clean)
        lost_zero, zero_error = ratio(delta, self.hook.zero - self.clean)
        undefined = np.full(residual_squared.shape, np.nan)
        return Measured(
            mse=residual_squared / total / d_in,
            explained_variance=1 - residual_squared / variance if variance > 0 else undefined,
            delta_ce=delta_ce,
            delta_ce_error=delta_error,
            recovered_mean=1 - lost_mean,
            recovered_mean_error=mean_error,
            recovered_zero=1 - lost_zero,
            recovered_zero_error=zero_error,
            delta_by_context=delta.astype(np.float32),
        )


def _sweep(
    tried: Tried, ladder: Ladder, figures: _Figures, costs: Costs, before: Costs | None
) -> Sweep:
    zeroed, folded = (
        figures.measured(costs.ce[:, way], costs.residual_squared[:, way]) for way in (0, 1)
    )
    return Sweep(
        threshold=thresholds(ladder, tried.n_active, tried.n_tokens),
        n_removed=ladder.n_removed,
        l0=ladder.l0,
        level=ladder.level,
        zeroed=zeroed,
        folded=folded,
        before=None if before is None else _reselected(figures, before),
    )


def _reselected(figures: _Figures, costs: Costs) -> Reselected:
    measured = figures.measured(costs.ce[:, 0], costs.residual_squared[:, 0])
    return Reselected(costs.n_active[:, 0] / figures.n_tokens.sum(), measured)


def _random(plan: Plan, figures: _Figures, draws: list[Costs]) -> RandomSweep:
    """Every draw has a step for each level."""
    n_levels = plan.levels.size if draws else 0
    n_contexts = figures.clean.size
    shape = (len(draws), n_levels)

    def way(number: int) -> Measured:
        ce = np.array([draw.ce[:, number] for draw in draws]).reshape(*shape, n_contexts)
        residual = np.array([draw.residual_squared[:, number] for draw in draws])
        return figures.measured(ce, residual.reshape(shape))

    return RandomSweep(
        n_removed=np.array([item.n_removed for item in plan.random], np.int64).reshape(shape),
        l0=np.array([item.l0 for item in plan.random], np.float64).reshape(shape),
        zeroed=way(0),
        folded=way(1),
    )
