"""What other tools print for the same dictionary. Computes nothing."""

from dataclasses import dataclass
from typing import ClassVar

from app.db.study_records.spread import Spread


@dataclass(frozen=True)
class Variants:
    """Of one dictionary on a seeded sample of contexts, in batches as those tools have them."""

    STUDY: ClassVar[str] = "variants"

    n_contexts: int
    contexts_per_batch: int
    n_counted: int
    """counted tokens in the sample"""
    n_all: int
    """all tokens in it, position 0 and special tokens with them, padding left out"""
    n_predicted: int
    """of these, those that a token stands before: the targets of the cross-entropies"""
    counted: dict[str, float]
    """every figure over counted tokens, by its name in `app/stats/variants.py`; NaN where it is
    undefined"""
    every: dict[str, float]
    """the same over all tokens"""
    explained: Spread
    """1 − ‖x − x̂‖² / ‖x − x̄‖² of single counted tokens, x̄ the mean over the corpus"""
    ce_clean: float
    """next-token cross-entropy of the untouched model over all targets, nats"""
    ce_spliced: float
    """with the reconstruction at every position, position 0 and special tokens too"""
    ce_zero: float
    """with zeros at every position"""
    kl_spliced: float
    """mean KL(clean ‖ spliced) over all positions, nats"""
    kl_zero: float
    ce_score: float
    """(CE_zero − CE_spliced) / (CE_zero − CE_clean) of the means over all batches (SAELens)"""
    ce_score_by_batch: float
    """the mean of the same of every batch (dictionary_learning)"""
    kl_score: float
    """(KL_zero − KL_spliced) / KL_zero (SAELens)"""
