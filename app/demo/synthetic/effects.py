"""What removing an invented feature at its firings would have done, drawn at random.

Effects grow with the activation and fall with the distance; tokens that lose are those its logit
lens promotes. Knows the records, no database.
"""

import numpy as np

from app.db.records import ExampleGroup, FeatureBundle
from app.db.study_records.effects import FeatureEffects
from app.demo.synthetic.text import BOS, SyntheticText

N_TOP, N_PER_FIFTH, N_READ, _N_TOKENS = 5, 2, 8, 3


def make_effects(
    bundle: FeatureBundle, text: SyntheticText, rng: np.random.Generator
) -> FeatureEffects | None:
    """Of the first top examples and two of each fifth; None for a feature that never fires."""
    if not bundle.record.n_active:
        return None
    top, drawn = bundle.examples["top"], bundle.examples["quantile"]
    top_rank = np.arange(min(N_TOP, top.position.size))
    sample_rank = np.concatenate(
        [np.flatnonzero(drawn.band == band)[:N_PER_FIFTH] for band in range(drawn.band_low.size)]
    )
    sample_rank = np.sort(sample_rank)
    n_drawn = np.bincount(drawn.band[sample_rank], minlength=drawn.band_low.size)
    weight = (drawn.band_share / np.maximum(n_drawn, 1))[drawn.band[sample_rank]]
    activation = np.concatenate([drawn.activation[sample_rank], top.activation[top_rank]])
    next_id = np.concatenate([_next(drawn, sample_rank, text), _next(top, top_rank, text)])
    n = activation.size
    size = activation * rng.lognormal(-3, 1) * (rng.random() < 0.85)
    delta_ce = size[:, None] * rng.normal(1, 0.7, (n, 1)) * 0.5 ** np.arange(N_READ)
    delta_ce += rng.normal(0, 0.002, (n, N_READ))
    delta_ce[next_id < 0, 0] = np.nan
    lens = bundle.panels.logit_lens
    assert lens is not None
    share = rng.uniform(0.02, 0.5, (n, _N_TOKENS))
    moved = np.minimum(0.9, size[:, None] / (1 + size[:, None])) * rng.uniform(0.5, 1, share.shape)
    none = np.full(n, -1)
    return FeatureEffects(
        sample_rank=np.concatenate([sample_rank, none[: top_rank.size]]).astype(np.int16),
        top_rank=np.concatenate([none[: sample_rank.size], top_rank]).astype(np.int16),
        weight=np.concatenate([weight, np.zeros(top_rank.size)]).astype(np.float32),
        next_id=next_id.astype(np.int32),
        ce=np.where(next_id < 0, np.nan, rng.gamma(2, 1, n)).astype(np.float16),
        delta_ce=delta_ce.astype(np.float16),
        kl=(size**2 / (1 + size)).astype(np.float16),
        changes_likeliest=rng.random(n) < size / (1 + size),
        lost_id=_likely(lens.adjusted_positive_ids, n, rng),
        lost_from=share.astype(np.float16),
        lost_to=(share * (1 - moved)).astype(np.float16),
        gained_id=_likely(lens.adjusted_negative_ids, n, rng),
        gained_from=(share / 4).astype(np.float16),
        gained_to=(share / 4 * (1 + moved)).astype(np.float16),
    )


def _next(group: ExampleGroup, rows: np.ndarray, text: SyntheticText) -> np.ndarray:
    """The tokens after these examples; -1 where there is none that counts."""
    size = text.token_ids.shape[1]
    position = group.position[rows].astype(np.int64) + 1
    found = text.token_ids[group.context_id[rows], np.minimum(position, size - 1)]
    return np.where((position < size) & (found != BOS), found, -1)


def _likely(ids: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Three of a lens' tokens for each firing, mostly the same first."""
    found = np.tile(ids[:_N_TOKENS], (n, 1))
    other = rng.random(n) < 0.3
    found[other, 0] = ids[_N_TOKENS]
    return found.astype(np.int32)
