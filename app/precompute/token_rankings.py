"""The features of every token as the atlas keeps them: by firings, by rate, by effect on its logit.

Takes what is in memory while the atlas is put together; merges each range's rankings into the whole
dictionary's.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from app.db.records import TokenRanking
from app.db.writer import AtlasWriter
from app.precompute.ranges.ranking import Ranking
from app.precompute.ranges.rankings import PairRankings
from app.precompute.weights.stage import Weights


@dataclass(frozen=True)
class Rankings:
    """Each token's strongest features, filled while the ranges of features stream past."""

    of_events: PairRankings
    promotes: Ranking
    suppresses: Ranking

    @classmethod
    def of_weights(cls, weights: Weights, occurrences: Int64[np.ndarray, " d_vocab"]) -> "Rankings":
        """What the weights say; of the events nothing yet."""
        return cls(PairRankings(occurrences), weights.promotes, weights.suppresses)


def store_rankings(writer: AtlasWriter, sae_id: int, rankings: Rankings) -> None:
    """Stores all four rankings of one dictionary."""
    fires, rate = rankings.of_events.result()
    writer.add_token_rankings(
        sae_id,
        {
            "fires": _by_token(fires),
            "rate": _by_token(rate),
            "promotes": _by_token(rankings.promotes),
            "suppresses": _by_token(rankings.suppresses, sign=-1),
        },
    )


def _by_token(ranking: Ranking, sign: int = 1) -> Iterator[tuple[int, TokenRanking]]:
    """Every token that has any feature, with its strongest ones.

    `sign` is -1 where scores were turned round to rank the lowest first.
    """
    for token_id in np.flatnonzero(ranking.n_features):
        rows = slice(ranking.indptr[token_id], ranking.indptr[token_id + 1])
        yield (
            int(token_id),
            TokenRanking(
                ranking.feature_index[rows].astype(np.uint32),
                (sign * ranking.score[rows]).astype(np.float32),
                ranking.share[rows].astype(np.float32),
                ranking.n_active[rows].astype(np.uint32),
                int(ranking.n_features[token_id]),
            ),
        )
