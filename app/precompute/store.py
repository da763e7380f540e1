"""The last tables: the contexts that examples point to, and the features of every token.

Takes what is already in memory or in the atlas being written; computes nothing but which contexts
are asked for.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from app.db.examples import iterate_group
from app.db.records import GROUPS, ContextRecord, TokenRanking
from app.db.writer import AtlasWriter
from app.precompute.features import Rankings
from app.stats.corpus import Corpus
from app.stats.rankings import Ranking


def store_contexts(
    writer: AtlasWriter, corpus_id: int, sae_ids: Sequence[int], corpus: Corpus
) -> None:
    """Stores every context that an example of these dictionaries points to."""
    wanted = np.zeros(corpus.n_contexts, np.bool_)
    for sae_id in sae_ids:
        for group in GROUPS:
            for _, examples in iterate_group(writer.connection, sae_id, group):
                wanted[examples.context_id] = True
    writer.add_contexts(
        corpus_id,
        (
            ContextRecord(int(i), np.asarray(corpus.tokens[i]), np.asarray(corpus.document_ids[i]))
            for i in np.flatnonzero(wanted)
        ),
    )


def store_rankings(writer: AtlasWriter, sae_id: int, rankings: Rankings) -> None:
    """Stores all four rankings of one dictionary."""
    fires, rate = rankings.tokens.fires.result(), rankings.tokens.rate.result()
    writer.add_token_rankings(sae_id, "fires", _by_token(fires))
    writer.add_token_rankings(sae_id, "rate", _by_token(rate))
    writer.add_token_rankings(sae_id, "promotes", _by_token(rankings.promotes.result()))
    writer.add_token_rankings(
        sae_id, "suppresses", _by_token(rankings.suppresses.result(), sign=-1)
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
