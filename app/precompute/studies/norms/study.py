"""The study "norms": how long the activations at a dictionary's hook are, and what outliers do.

Reads what the events stage left beside the events; a piece is one dictionary. The unembedding's
norms are added when the records are made. No forward pass, no sample.
"""

from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float32

from app.db.study_records.norms import Norms, NormsApart, TokenNorms, UnembeddingNorms
from app.precompute.drivers.driver import Piece, Task
from app.precompute.job import Job
from app.precompute.preparation import Run
from app.precompute.studies.catalog import NORMS
from app.precompute.studies.spreads import spread_of
from app.precompute.studies.study import Harvest, Price, Study
from app.precompute.target import Target
from app.precompute.weights.logit_lens import norm_outliers
from app.precompute.workplace.findings import Findings
from app.stats.arrays import strongest
from app.stats.corpus import Corpus
from app.stats.events import EventStore
from app.stats.norms import MAX_MADS, HookNorms, NormGroup, hook_norms
from app.stats.reconstruction import TokenSquares

N_LISTED = 100
"""Token ids kept of each order."""


@dataclass(frozen=True)
class Measured:
    """The norms a dictionary reads."""

    sae: str
    norms: HookNorms


def measure(job: Job, sae: str) -> Measured:
    """One dictionary. Memory: one shard's squares, some numbers for each token id."""
    store, corpus = EventStore.open(job.events_folder(sae)), Corpus.open(job.corpus_folder)
    squares = TokenSquares.open(store.folder, len(store.shards))
    return Measured(sae, hook_norms(squares, corpus))


def price(run: Run) -> Price:
    """No forward pass."""
    n_bytes = 12 * run.corpus.tokens.size
    return Price(0, f"no forward pass; reads {n_bytes / 1e6:,.0f} MB of each dictionary")


def pieces(run: Run, _findings: Findings) -> list[Piece]:
    """One for each dictionary."""
    return [Piece((NORMS.name,), sae, 1, sae) for sae in run.job.saes]


def harvest(run: Run, findings: Findings) -> Harvest:
    """A record for each dictionary."""
    columns = run.model.W_U.detach().float().norm(dim=0).cpu().numpy()
    unembedding = _unembedding(run, columns)
    return Harvest(
        of_dictionaries={
            found.sae: _record(run.target(found.sae), found.norms, columns, unembedding)
            for found in findings.of(NORMS.name)
        }
    )


def _unembedding(run: Run, columns: Float32[np.ndarray, " d_vocab"]) -> UnembeddingNorms:
    """As the logit lens has it: over the tokens that the tokenizer can produce."""
    producible = run.vocabulary.producible
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


def _record(
    target: Target,
    found: HookNorms,
    columns: Float32[np.ndarray, " d_vocab"],
    unembedding: UnembeddingNorms,
) -> Norms:
    positions, token_ids = found.positions, found.token_ids
    n_others = found.norm.n - found.n_outlier
    rest = found.error - found.outlier_error
    return Norms(
        hook_name=target.hook_name,
        norm=spread_of(found.norm),
        mad=found.mad,
        threshold=found.threshold,
        n_outlier=found.n_outlier,
        outlier_square_share=_share(found.outlier_square, found.square),
        outlier_error_share=_share(found.outlier_error, found.error),
        mse_without_outliers=rest / n_others / target.dictionary.config.d_in if n_others else None,
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
        unembedding=unembedding,
    )


def _listed(found: HookNorms, columns: Float32[np.ndarray, " d_vocab"]) -> TokenNorms:
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


STUDY = Study(NORMS, "dictionaries", Task(measure, "events"), price, pieces, harvest)
