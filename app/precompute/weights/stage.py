"""Stage 4: what a dictionary's weights say of its features: logit lens, neighbours, norms.

Takes a run; a piece is a range of a dictionary's features, and gives records in feature order and
each token's features by their effect on its logit. `joined_weights` puts the ranges together; they
are cut by the size of the dictionary alone, so the numbers don't depend on who did which. Knows no
event.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from app.db.records import LogitLensPanel, NeighborPanel
from app.precompute.drivers.driver import Piece, Task
from app.precompute.job import FeatureRange
from app.precompute.preparation import Run
from app.precompute.ranges.dense_ranking import DenseRanking
from app.precompute.ranges.ranking import Ranking
from app.precompute.weights.lens_ground import lens_ground
from app.precompute.weights.logit_lens import LensFacts, LensSummary, LogitLens, StrongestTokens
from app.precompute.weights.neighbors import encoder_decoder_cosine, nearest_features
from app.precompute.weights.token_features import N_STRONGEST, JoinedRanking, TokenFeatures
from app.precompute.workplace.stage_recipes import stage_name
from app.sae.dictionary import Dictionary

N_NEIGHBORS = 10

ROWS = 1024
MOST_PIECES = 8
"""A piece is a multiple of `ROWS` features, such that there are at most so many of a dictionary:
each keeps up to 1,600 bytes a token of the vocabulary on disk until they are joined."""


@dataclass(frozen=True)
class RangeWeights:
    """Of the features of a range, in order."""

    lens: LensFacts
    decoder_norm: Float[np.ndarray, " n_features"]
    encoder_decoder_cosine: Float[np.ndarray, " n_features"] | None
    """None for a transcoder, whose encoder and decoder live in different spaces"""
    lenses: list[LogitLensPanel | None]
    """None where the hook has no linear path"""
    neighbors: list[NeighborPanel]
    promotes: TokenFeatures
    suppresses: TokenFeatures
    """scores turned round: the lowest logits rank first"""


@dataclass(frozen=True)
class Weights:
    """The same of every feature of a dictionary."""

    lens: LensFacts
    decoder_norm: Float[np.ndarray, " d_sae"] | None
    """None where decoder rows are not known"""
    encoder_decoder_cosine: Float[np.ndarray, " d_sae"] | None
    lenses: list[LogitLensPanel | None]
    neighbors: list[NeighborPanel | None]
    """None where decoder rows are not known"""
    promotes: Ranking
    suppresses: Ranking


def weight_pieces(run: Run, sae: str) -> list[Piece]:
    """The features of a dictionary in ranges of equal size; none where its decoder rows are not
    known."""
    if run.target(sae).dictionary.directions is None:
        return []
    d_sae = run.target(sae).dictionary.config.d_sae
    size = ROWS * -(-d_sae // (ROWS * MOST_PIECES))
    parts = [FeatureRange(sae, first, min(first + size, d_sae)) for first in range(0, d_sae, size)]
    stages = (stage_name("weights", sae),)
    return [Piece(stages, part.name, part.last - part.first, part) for part in parts]


def read_weights(run: Run, part: FeatureRange) -> RangeWeights:
    """All of it. Memory: the result, the unembedding and a block of logits."""
    target = run.target(part.sae)
    directions, norms = target.dictionary.directions, target.dictionary.decoder_norm()
    if directions is None or norms is None:
        raise ValueError(f"{part.sae} has no decoder rows")
    lens = LogitLens(lens_ground(run.model, target.output_hook), run.vocabulary.producible)
    promotes, suppresses = (DenseRanking(run.model.d_vocab, N_STRONGEST) for _ in range(2))
    lenses: list[LogitLensPanel | None] = []
    for start in range(part.first, part.last, lens.features_per_block):
        rows = directions[start : min(start + lens.features_per_block, part.last)]
        if lens.linear_path is None:
            lenses += [None] * len(rows)
            continue
        logits = lens.block(rows).cpu().numpy()
        promotes.add(start, logits, sign=1)
        suppresses.add(start, logits, sign=-1)
        lenses += _lens_panels(lens.summary(rows))
    own, cosine = slice(part.first, part.last), None
    if isinstance(target.dictionary, Dictionary) and target.hook_name_out is None:
        cosine = encoder_decoder_cosine(target.dictionary.W_enc[:, own], directions[own])
    return RangeWeights(
        lens.facts,
        norms[own].cpu().numpy(),
        None if cosine is None else cosine.cpu().numpy(),
        lenses,
        list(_neighbors(directions, (part.first, part.last))),
        TokenFeatures.of(promotes.result()),
        TokenFeatures.of(suppresses.result()),
    )


WEIGHTS = Task(read_weights, "machine")


def joined_weights(parts: Iterable[RangeWeights], d_sae: int, d_vocab: int) -> Weights:
    """The ranges of one dictionary, all of them and in order, as one; without any part, what is
    known of a dictionary without decoder rows: nothing.

    Memory: the result and one range.
    """
    norms, cosines = list[np.ndarray](), list[np.ndarray]()
    lenses, neighbors = list[LogitLensPanel | None](), list[NeighborPanel | None]()
    promotes, suppresses = JoinedRanking(d_vocab), JoinedRanking(d_vocab)
    facts: LensFacts | None = None
    for part in parts:
        facts = part.lens
        norms.append(part.decoder_norm)
        if part.encoder_decoder_cosine is not None:
            cosines.append(part.encoder_decoder_cosine)
        lenses += part.lenses
        neighbors += part.neighbors
        promotes.add(part.promotes)
        suppresses.add(part.suppresses)
    if facts is None:
        none = LensFacts(None, 0, 0)
        nothing = (promotes.result(), suppresses.result())
        return Weights(none, None, None, [None] * d_sae, [None] * d_sae, *nothing)
    return Weights(
        facts, np.concatenate(norms), np.concatenate(cosines) if cosines else None,
        lenses, neighbors, promotes.result(), suppresses.result(),
    )  # fmt: skip


def _neighbors(
    directions: Float[Tensor, "d_sae d_out"], part: tuple[int, int]
) -> Iterator[NeighborPanel]:
    for index, cosine in nearest_features(directions, N_NEIGHBORS, ROWS, part):
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
