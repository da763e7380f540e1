"""Stage 6: how good each dictionary is, from the events' sums and from spliced cross-entropies.

Takes the sums of the events stage and a seeded sample of contexts; gives one `QualityRecord` a
dictionary. Computes only counts over features; the formulas are `app.stats.quality`'s and
`splice`'s.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from app.db.records import QualityRecord
from app.precompute.ablation.texts import Mount
from app.precompute.events.events import sampled_contexts
from app.precompute.model.language_model import LanguageModel
from app.precompute.model.splice import splice_quality
from app.precompute.target import Target
from app.stats.corpus import Corpus
from app.stats.events import EventStore
from app.stats.quality import QualitySums

SPLICE_STREAM = 1
"""Tells this sample of contexts from the one whose hidden_pre is kept."""


def measure_quality(
    model: LanguageModel,
    targets: Sequence[Target],
    sums: Sequence[QualitySums],
    corpus: Corpus,
    *,
    n_contexts: int,
    seed: int,
    advance: Callable[[int], None],
) -> list[QualityRecord]:
    """The quality of every dictionary; cross-entropies on `n_contexts` contexts, if any.

    The mean that ablation puts in the activation's place is that over the whole corpus.
    """
    spliced: list[dict[str, float | int | None]] = [{} for _ in targets]
    chosen = np.flatnonzero(
        sampled_contexts(corpus.n_contexts, n_contexts, seed, stream=SPLICE_STREAM)
    )
    if len(chosen) and corpus.counted[chosen].any():
        mounts = [Mount(target.dictionary, target.hook_name) for target in targets]
        means = {
            target.hook_name: found.sum_x / found.n_tokens
            for target, found in zip(targets, sums, strict=True)
        }
        found = splice_quality(
            model, mounts, corpus.tokens[chosen], corpus.counted[chosen], means, advance
        )
        spliced = [asdict(item) for item in found]
    return [
        _record(target, quality, corpus.n_tokens, splice)
        for target, quality, splice in zip(targets, sums, spliced, strict=True)
    ]


def _record(
    target: Target,
    sums: QualitySums,
    n_tokens: int,
    splice: dict[str, float | int | None],
) -> QualityRecord:
    figures = sums.figures()
    n_active = EventStore.open(target.folder).n_active()
    known = QualityRecord.__dataclass_fields__
    return QualityRecord(
        l0=figures.l0,
        mse=figures.mse,
        explained_variance=figures.explained_variance,
        cosine=figures.cosine,
        gamma=figures.gamma,
        n_dead=int((n_active == 0).sum()),
        n_dense_1=int((n_active > 0.01 * n_tokens).sum()),
        n_dense_10=int((n_active > 0.1 * n_tokens).sum()),
        **{name: value for name, value in splice.items() if name in known},  # type: ignore[arg-type]
    )
