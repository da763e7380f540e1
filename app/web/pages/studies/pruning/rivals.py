"""The other dictionaries at a hook, as what might be trained instead of pruning this one.

Takes a dictionary and its record; gives the numbers of the others. Where another one was studied on
the same contexts, those numbers are taken and differences have an error of their own; else those of
its quality record, which were measured on another sample. Knows no text.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.db.studies import get_study
from app.db.study_records.pruning import Pruning
from app.stats.clustered import ratio
from app.web.pages.studies.pruning.steps import Costs, Step, costs_at


@dataclass(frozen=True)
class Rival:
    """Another dictionary, whole."""

    sae: Sae
    costs: Costs
    delta_by_context: Float[ndarray, " n_contexts"] | None
    """None where it was not measured on the same contexts"""
    n_ce_tokens: int
    """tokens its cross-entropy was measured on"""
    same_corpus: bool

    def as_json(self) -> dict[str, Any]:
        """Its address and numbers."""
        return {
            "sae": self.sae.record.sae,
            "d_sae": self.sae.record.d_sae,
            **self.costs.as_json(),
            "n_ce_tokens": self.n_ce_tokens,
            "same_contexts": self.delta_by_context is not None,
        }


def rivals_of(connection: Connection, sae: Sae, record: Pruning) -> list[Rival]:
    """The others at the same hook of the same model whose cross-entropy was measured, in the
    atlas' order."""
    found = []
    for other in list_saes(connection):
        same_place = (other.model_id, other.record.place) == (
            sae.model_id,
            sae.record.place,
        )
        if not same_place or other.sae_id == sae.sae_id:
            continue
        rival = _measured_alike(connection, sae, record, other) or _by_quality(sae, other)
        if rival is not None:
            found.append(rival)
    return found


def difference(record: Pruning, step: Step, rival: Rival) -> tuple[float, float | None]:
    """ΔCE of a pruning less that of a rival, and its error: of the difference context by context
    where both were measured there, else of two samples."""
    if rival.delta_by_context is not None:
        apart = (step.delta_by_context - rival.delta_by_context).astype(np.float64)
        value, error = ratio(apart, record.context_n_tokens.astype(np.float64))
        return float(value), None if np.isnan(error) else float(error)
    own, other = step.costs, rival.costs
    error = math.hypot(own.delta_ce_error, other.delta_ce_error)
    return own.delta_ce - other.delta_ce, None if math.isnan(error) else error


def _measured_alike(connection: Connection, sae: Sae, record: Pruning, other: Sae) -> Rival | None:
    if other.corpus_id != sae.corpus_id:
        return None
    own = get_study(connection, Pruning, other.sae_id)
    if own is None or not np.array_equal(own.context_ids, record.context_ids):
        return None
    if abs(own.ce_clean - record.ce_clean) > 1e-3:
        return None  # another run, of a model that is not quite the same
    costs = costs_at(own.whole, 0, own.l0)
    return Rival(other, costs, own.whole.delta_by_context[0], own.n_ce_tokens, True)


def _by_quality(sae: Sae, other: Sae) -> Rival | None:
    quality = other.record.quality
    if quality.delta_ce is None or quality.l0 is None:
        return None
    costs = Costs(
        l0=quality.l0,
        mse=_or_nan(quality.mse),
        explained_variance=_or_nan(quality.explained_variance),
        delta_ce=quality.delta_ce,
        delta_ce_error=_or_nan(quality.delta_ce_error),
        recovered_mean=_or_nan(quality.ce_recovered_mean),
        recovered_mean_error=math.nan,
        recovered_zero=_or_nan(quality.ce_recovered_zero),
        recovered_zero_error=math.nan,
    )
    same_corpus = other.corpus_id == sae.corpus_id
    return Rival(other, costs, None, quality.n_ce_tokens or 0, same_corpus)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
