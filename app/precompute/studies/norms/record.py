"""The record of the study "norms", from what was measured and the norms of the unembedding.

Takes figures of all token ids, keeps the first of every order. Knows neither model nor dictionary.
"""

from dataclasses import asdict

import numpy as np
from jaxtyping import Bool, Float32

from app.db.study_records.norms import Norms, NormsApart, TokenNorms, UnembeddingNorms
from app.precompute.studies.spreads import spread_of
from app.stats.arrays import strongest
from app.stats.norms import MAX_MADS, HookNorms, NormGroup, norm_outliers

N_LISTED = 100
"""Token ids kept of each order."""

Columns = Float32[np.ndarray, " d_vocab"]
"""‖W_U[:, t]‖ of every token id"""


def norms_record(
    found: HookNorms,
    hook_name: str,
    d_in: int,
    columns: Columns,
    producible: Bool[np.ndarray, " d_vocab"],
) -> Norms:
    """`producible`: which ids survive id -> text -> id, as the logit lens has them."""
    positions, token_ids = found.positions, found.token_ids
    n_others = found.norm.n - found.n_outlier
    rest = found.error - found.outlier_error
    return Norms(
        hook_name=hook_name,
        norm=spread_of(found.norm),
        mad=found.mad,
        threshold=found.threshold,
        n_outlier=found.n_outlier,
        outlier_square_share=_share(found.outlier_square, found.square),
        outlier_error_share=_share(found.outlier_error, found.error),
        mse_without_outliers=rest / n_others / d_in if n_others else None,
        position_n=positions.n,
        position_mean=positions.mean,
        position_std=positions.std,
        position_maximum=positions.maximum,
        zero=_apart(found.zero),
        special=_apart(found.special),
        tokens=_listed(found, columns),
        n_token_ids=int((token_ids.n > 0).sum()),
        n_outlier_token_ids=int((token_ids.n_outlier > 0).sum()),
        n_listed=N_LISTED,
        unembedding=_unembedding(columns, producible),
    )


def _unembedding(columns: Columns, producible: Bool[np.ndarray, " d_vocab"]) -> UnembeddingNorms:
    norms = columns[producible].astype(np.float64)
    median = float(np.median(norms))
    mad = float(np.median(np.abs(norms - median)))
    return UnembeddingNorms(
        n=len(norms),
        median=median,
        mad=mad,
        threshold=median + MAX_MADS * mad if mad > 0 else np.inf,
        n_outlier=int(norm_outliers(columns, producible).sum()),
    )


def _listed(found: HookNorms, columns: Columns) -> TokenNorms:
    """The first ids by largest norm, mean norm, outliers, share of the error and unembedding."""
    by_id = found.token_ids
    seen = np.flatnonzero(by_id.n > 0)
    orders = (by_id.maximum, by_id.mean, by_id.n_outlier.astype(np.float64), by_id.error)
    firsts = [seen[strongest(order[seen], N_LISTED)] for order in orders]
    chosen = np.unique(np.concatenate([*firsts, strongest(columns, N_LISTED)]))
    error = by_id.error[chosen] / found.error if found.error > 0 else np.zeros(len(chosen))
    return TokenNorms(
        token_id=chosen,
        n=by_id.n[chosen],
        n_outlier=by_id.n_outlier[chosen],
        mean=by_id.mean[chosen],
        maximum=by_id.maximum[chosen],
        error_share=error,
        unembedding=columns[chosen].astype(np.float64),
    )


def _apart(group: NormGroup | None) -> NormsApart | None:
    return None if group is None else NormsApart(**asdict(group))


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
