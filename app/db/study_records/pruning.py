"""What pruning found: a dictionary without its densest, its rarest and random features.

L0 and numbers of features are those of the whole corpus, exact; errors of reconstruction and
cross-entropies those of a stated sample of contexts. Knows no SQL.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float32, Float64, Int64
from numpy import ndarray


@dataclass(frozen=True)
class Measured:
    """What some prunings cost, one entry each. Standard errors take the context as the unit; all
    is NaN where undefined."""

    mse: Float64[ndarray, "*prunings"]
    """‖x − x̂‖² / d_in, mean over the counted tokens of the sample"""
    explained_variance: Float64[ndarray, "*prunings"]
    """1 − Σ‖x−x̂‖² / Σ‖x−x̄‖², pooled over them, x̄ their mean"""
    delta_ce: Float64[ndarray, "*prunings"]
    """CE_spliced − CE_clean, nats"""
    delta_ce_error: Float64[ndarray, "*prunings"]
    recovered_mean: Float64[ndarray, "*prunings"]
    """(CE_mean − CE_spliced) / (CE_mean − CE_clean), never clipped"""
    recovered_mean_error: Float64[ndarray, "*prunings"]
    recovered_zero: Float64[ndarray, "*prunings"]
    """the same against zero ablation"""
    recovered_zero_error: Float64[ndarray, "*prunings"]
    delta_by_context: Float32[ndarray, "*prunings n_contexts"]
    """sum of CE_spliced − CE_clean over each context's predicted tokens, nats"""


@dataclass(frozen=True)
class Reselected:
    """The same features removed before the k strongest of each token are chosen: others fire in
    their place. Zeroed."""

    l0: Float64[ndarray, " n_steps"]
    """features active at a token of the sample"""
    measured: Measured


@dataclass(frozen=True)
class Sweep:
    """Removing all features denser, or all rarer, than a threshold; steps by rising `n_removed`."""

    threshold: Float64[ndarray, " n_steps"]
    """density that parts what goes from what stays; no feature has it"""
    n_removed: Int64[ndarray, " n_steps"]
    """features that fire somewhere and are removed"""
    l0: Float64[ndarray, " n_steps"]
    level: Int64[ndarray, " n_steps"]
    """the column of `RandomSweep` that has about this L0"""
    zeroed: Measured
    """their activations set to zero"""
    folded: Measured
    """and each one's mean activation over the corpus, times its decoder row, added to b_dec"""
    before: Reselected | None
    """under per-token top-k alone; everything else is removed after the selection"""


@dataclass(frozen=True)
class RandomSweep:
    """Removing random features down to the same L0, as nearly as whole features allow."""

    n_removed: Int64[ndarray, "n_draws n_levels"]
    l0: Float64[ndarray, "n_draws n_levels"]
    zeroed: Measured
    folded: Measured


@dataclass(frozen=True)
class Pruning:
    """One dictionary."""

    STUDY: ClassVar[str] = "pruning"

    l0: float
    """of the whole corpus, nothing removed"""
    n_living: int
    """features that fire somewhere"""
    n_tokens: int
    """counted tokens of the corpus, N"""
    context_ids: Int64[ndarray, " n_contexts"]
    """the sample, ascending; contexts without a counted token are not in it"""
    context_n_tokens: Int64[ndarray, " n_contexts"]
    """counted tokens of each: x is replaced at them and they are predicted"""
    ce_clean: float
    """nats a token, as all cross-entropies"""
    ce_clean_error: float | None
    ce_zero_ablated: float
    ce_mean_ablated: float
    selects: bool
    """the k strongest features of a token fire (per-token top-k)"""
    whole: Measured
    """nothing removed, one entry"""
    none: Measured
    """everything removed: b_dec alone, then b_dec with all means folded in"""
    dense: Sweep
    """the densest first: removed is what is denser than the threshold"""
    rare: Sweep
    """the rarest first: removed is what fires but is rarer than the threshold"""
    random: RandomSweep

    @property
    def n_ce_tokens(self) -> int:
        """Predicted tokens of the sample."""
        return int(self.context_n_tokens.sum())
