"""The study "reconstruction": L0, error, cosine and norms as distributions over counted tokens.

Reads what the events stage left beside the events; a piece is one number of one dictionary, gone
through three times. No model and no sample: every counted token is in it. The standard errors of
the recovered cross-entropies come from the sums by context of the stage "quality".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from app.db.study_records.reconstruction import Reconstruction
from app.precompute.drivers.driver import Piece, Task
from app.precompute.job import Job
from app.precompute.model.splice import SpliceSums
from app.precompute.preparation import Run
from app.precompute.studies.catalog import RECONSTRUCTION
from app.precompute.studies.spreads import spread_of
from app.precompute.studies.study import Harvest, Price, Study
from app.precompute.target import Target
from app.precompute.workplace.findings import Findings
from app.precompute.workplace.stage_recipes import QUALITY
from app.stats.corpus import Corpus
from app.stats.distribution import Distribution
from app.stats.events import EventStore
from app.stats.jackknife import ratio_error
from app.stats.reconstruction import TokenSquares
from app.stats.token_measures import MEASURES, active_features, measured

L0 = "l0"
NAMES = (L0, *MEASURES)


@dataclass(frozen=True)
class OneNumber:
    """A number of each token, of one dictionary."""

    sae: str
    name: str


@dataclass(frozen=True)
class Measured:
    """How it is distributed."""

    of: OneNumber
    l0_counts: Int64[np.ndarray, " most"] | None
    """of L0"""
    spread: Distribution | None
    """of the others"""


def measure(job: Job, of: OneNumber) -> Measured:
    """One number over all counted tokens. Memory: one shard of the events' tokens or squares."""
    store, corpus = EventStore.open(job.events_folder(of.sae)), Corpus.open(job.corpus_folder)
    if of.name == L0:
        return Measured(of, active_features(store, corpus), None)
    squares = TokenSquares.open(store.folder, len(store.shards))
    return Measured(of, None, measured(squares, corpus, of.name))


def price(run: Run) -> Price:
    """No forward pass."""
    n_bytes = 12 * run.corpus.tokens.size
    return Price(0, f"no forward pass; reads {n_bytes / 1e6:,.0f} MB of each dictionary")


def pieces(run: Run, _findings: Findings) -> list[Piece]:
    """One for each number and dictionary."""
    return [
        Piece((RECONSTRUCTION.name,), f"{sae}-{name}", 1, OneNumber(sae, name))
        for sae in run.job.saes
        for name in NAMES
    ]


def harvest(run: Run, findings: Findings) -> Harvest:
    """A record for each dictionary."""
    found = {(part.of.sae, part.of.name): part for part in findings.of(RECONSTRUCTION.name)}
    splices = list(findings.of(QUALITY))
    records = {}
    for target in run.targets:
        spreads: dict[str, Any] = {
            name: spread_of(found[target.sae, name].spread) for name in MEASURES
        }
        records[target.sae] = Reconstruction(
            l0_counts=found[target.sae, L0].l0_counts,
            ce_recovered_mean_error=_recovered_error(splices, target, "mean"),
            ce_recovered_zero_error=_recovered_error(splices, target, "zero"),
            **spreads,
        )
    return Harvest(of_dictionaries=records)


def _recovered_error(parts: Sequence[SpliceSums], target: Target, ablated: str) -> float | None:
    """Of (CE_abl − CE_spliced) / (CE_abl − CE_clean), contexts as the unit that was sampled."""
    if not parts:
        return None
    sums = SpliceSums.joined(parts)
    lost = sums.total[f"{ablated} {target.output_hook}"]
    used = sums.n_tokens > 0
    above, below = lost - sums.total[f"spliced {target.sae}"], lost - sums.total["clean"]
    return ratio_error(above[used], below[used])


STUDY = Study(RECONSTRUCTION, "numbers", Task(measure, "events"), price, pieces, harvest)
