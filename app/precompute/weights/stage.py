"""Stage 4: what a dictionary's weights say of its features: logit lens, neighbours, norms.

A task for a driver: takes a run and a dictionary's name, gives records in feature order and each
token's features by their effect on its logit. Knows no event.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from app.db.records import LogitLensPanel, NeighborPanel
from app.precompute.preparation import Run
from app.precompute.ranges.dense_ranking import DenseRanking
from app.precompute.ranges.ranking import Ranking
from app.precompute.target import Target
from app.precompute.weights.logit_lens import LensSummary, LogitLens, StrongestTokens
from app.precompute.weights.neighbors import encoder_decoder_cosine, nearest_features

N_NEIGHBORS = 10


@dataclass(frozen=True)
class Weights:
    """Of every feature of a dictionary, in order."""

    decoder_norm: Float[np.ndarray, " d_sae"]
    encoder_decoder_cosine: Float[np.ndarray, " d_sae"] | None
    """None where encoder and decoder live in different spaces"""
    lenses: list[LogitLensPanel | None]
    """None where the hook has no linear path"""
    neighbors: list[NeighborPanel]
    promotes: Ranking
    suppresses: Ranking
    """scores turned round: the lowest logits rank first"""


def lens_of(run: Run, target: Target) -> LogitLens:
    """The logit lens at a dictionary's hook."""
    return LogitLens(run.model, target.hook_name, run.vocabulary.producible)


def read_weights(run: Run, sae: str) -> Weights:
    """All of it. Memory: the result and a block of logits."""
    target = run.target(sae)
    dictionary, lens = target.dictionary, lens_of(run, target)
    promotes, suppresses = DenseRanking(run.model.d_vocab), DenseRanking(run.model.d_vocab)
    lenses: list[LogitLensPanel | None] = []
    for start in range(0, dictionary.config.d_sae, lens.features_per_block):
        rows = dictionary.W_dec[start : start + lens.features_per_block]
        if lens.linear_path is None:
            lenses += [None] * len(rows)
            continue
        logits = lens.block(rows).cpu().numpy()
        promotes.add(start, logits, sign=1)
        suppresses.add(start, logits, sign=-1)
        lenses += _lens_panels(lens.summary(rows))
    cosine = encoder_decoder_cosine(dictionary.W_enc, dictionary.W_dec)
    return Weights(
        dictionary.decoder_norm().cpu().numpy(),
        None if cosine is None else cosine.cpu().numpy(),
        lenses,
        list(_neighbors(target)),
        promotes.result(),
        suppresses.result(),
    )


def _neighbors(target: Target) -> Iterator[NeighborPanel]:
    for index, cosine in nearest_features(target.dictionary.W_dec, N_NEIGHBORS):
        for row in range(len(index)):
            yield NeighborPanel(
                index[row].cpu().numpy().astype(np.uint32),
                cosine[row].cpu().numpy().astype(np.float32),
            )


def _lens_panels(summary: LensSummary) -> Iterator[LogitLensPanel]:
    for row in range(len(summary.mean)):
        yield LogitLensPanel(
            *_strongest(summary.raw, row),
            *_strongest(summary.adjusted, row),
            summary.histogram_edges[row].astype(np.float32),
            summary.histogram_counts[row].astype(np.uint32),
            float(summary.mean[row]),
            float(summary.std[row]),
            float(summary.skewness[row]),
            float(summary.kurtosis[row]),
        )


def _strongest(
    tokens: StrongestTokens, row: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(promoted ids, logits, suppressed ids, logits) of one feature."""
    return (
        tokens.promoted_ids[row].astype(np.uint32),
        tokens.promoted[row].astype(np.float32),
        tokens.suppressed_ids[row].astype(np.uint32),
        tokens.suppressed[row].astype(np.float32),
    )
