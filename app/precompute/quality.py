"""Stage 6: how good each dictionary is, from the events' sums and from spliced cross-entropies.

Takes a run whose events are there. Cross-entropies are measured on a seeded sample of contexts, a
stretch of it a piece; the pieces hold sums by context, which `quality_records` joins in order: the
figures are the same whoever did which. The formulas are `app.stats.quality`'s and `splice`'s.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from app.db.records import QualityRecord
from app.precompute.ablation.texts import Mount
from app.precompute.drivers.driver import Piece, Task
from app.precompute.events.events import read_sums, sampled_contexts
from app.precompute.events.stage import n_shards
from app.precompute.model.splice import SpliceSums, splice_figures, splice_sums
from app.precompute.preparation import Run
from app.precompute.target import Target
from app.precompute.workplace.stage_recipes import QUALITY
from app.stats.events import EventStore
from app.stats.quality import QualitySums

SPLICE_STREAM = 1
"""Tells this sample of contexts from the one whose hidden_pre is kept."""

CONTEXTS_A_PIECE = 8
"""Fixed, as the batches of a piece show in the last digits: sizes of machines must not."""


@dataclass(frozen=True)
class Stretch:
    """Some contexts of the sample, and what ablation puts in the place of an activation."""

    context_ids: Int64[np.ndarray, " n"]
    means: dict[str, np.ndarray]
    """the mean activation over the whole corpus, float64 [d_out], by the hook that is written"""


def quality_pieces(run: Run) -> list[Piece]:
    """The sample, ascending, in stretches, for all dictionaries; none where none is asked for."""
    return [
        Piece((QUALITY,), f"{number:06d}", len(stretch.context_ids), stretch)
        for number, stretch in enumerate(
            stretches(run, run.job.settings.quality_contexts, CONTEXTS_A_PIECE)
        )
    ]


def stretches(run: Run, n_contexts: int, size: int) -> list[Stretch]:
    """A seeded sample of contexts, ascending, in stretches of `size`; of two samples the smaller
    one is in the larger. None where no token in it counts.
    """
    seed = run.job.settings.seed
    chosen = np.flatnonzero(
        sampled_contexts(run.corpus.n_contexts, n_contexts, seed, stream=SPLICE_STREAM)
    )
    if not run.corpus.counted[chosen].any():
        return []
    means = output_means(run)
    return [Stretch(chosen[first : first + size], means) for first in range(0, len(chosen), size)]


def output_means(run: Run) -> dict[str, Float64[np.ndarray, " _d_out"]]:
    """The mean activation over the whole corpus at every hook that a dictionary writes."""
    means: dict[str, np.ndarray] = {}
    for target in run.targets:
        if target.output_hook not in means:
            sums, _ = read_sums(target, n_shards(run))
            means[target.output_hook] = sums.sum_x / sums.n_tokens
    return means


def measure_quality(run: Run, stretch: Stretch) -> SpliceSums:
    """One stretch through the model: clean, ablated at every hook, with every dictionary."""
    mounts = {target.sae: Mount.of(target) for target in run.targets}
    tokens, counted = run.corpus.tokens, run.corpus.counted
    ids = stretch.context_ids
    return splice_sums(run.model, mounts, tokens[ids], counted[ids], stretch.means)


QUALITIES = Task(measure_quality, "model")


def quality_records(run: Run, found: Iterable[SpliceSums]) -> dict[str, QualityRecord]:
    """The quality of every dictionary by its name, from what all pieces found, in order."""
    parts = list(found)
    spliced = SpliceSums.joined(parts) if parts else None
    records = {}
    for target in run.targets:
        figures = spliced and splice_figures(spliced, target.sae, target.output_hook)
        sums, _ = read_sums(target, n_shards(run))
        records[target.sae] = _record(
            target, sums, run.corpus.n_tokens, asdict(figures) if figures else {}
        )
    return records


def _record(
    target: Target, sums: QualitySums, n_tokens: int, spliced: dict[str, Any]
) -> QualityRecord:
    figures = sums.figures()
    n_active = EventStore.open(target.folder).n_active()
    known = QualityRecord.__dataclass_fields__
    return QualityRecord(
        l0=float(n_active.sum()) / n_tokens if n_tokens else None,
        mse=figures.mse,
        explained_variance=figures.explained_variance,
        cosine=figures.cosine,
        gamma=figures.gamma,
        n_dead=int((n_active == 0).sum()),
        n_dense_1=int((n_active > 0.01 * n_tokens).sum()),
        n_dense_10=int((n_active > 0.1 * n_tokens).sum()),
        **{name: value for name, value in spliced.items() if name in known},
    )
