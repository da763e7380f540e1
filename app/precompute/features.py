"""Stages 3 and 4 written down: every feature's statistics, logit lens and neighbours as records.

Takes one dictionary's events and weights and the corpus; gives `FeatureBundle`s in feature order
and fills the rankings of features by token. What needs the model on an example's own text (silent
examples, ablated text, the summary) comes later. Knows records and statistics, no SQL.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.db.records import (
    LIVES_AS,
    FeatureBundle,
    FeaturePanels,
    FeatureRecord,
    LogitLensPanel,
    NeighborPanel,
)
from app.precompute import panels
from app.precompute.events import PositionZeroSums, Target
from app.precompute.logit_lens import LensSummary, LogitLens, StrongestTokens
from app.precompute.neighbors import encoder_decoder_cosine, nearest_features
from app.precompute.statistics import describe_features
from app.sae.dictionary import Dictionary
from app.stats.coactivation import Coactive, TokenSet, coactivation
from app.stats.corpus import Corpus
from app.stats.events import EventStore
from app.stats.feature import FeatureStatistics, StatisticsSettings
from app.stats.locality import Locality
from app.stats.rankings import TokenRanking, TokenRankings
from app.stats.summary_facts import lives_as

N_NEIGHBORS = 10


@dataclass(frozen=True)
class Rankings:
    """Each token's strongest features, filled while the features stream past."""

    tokens: TokenRankings
    promotes: TokenRanking
    suppresses: TokenRanking

    @classmethod
    def empty(cls, d_vocab: int) -> "Rankings":
        """Nothing ranked yet."""
        return cls(TokenRankings(d_vocab), TokenRanking(d_vocab), TokenRanking(d_vocab))


def feature_bundles(
    target: Target,
    corpus: Corpus,
    corpus_folder: Path,
    zero: PositionZeroSums,
    lens: LogitLens,
    rankings: Rankings,
    settings: StatisticsSettings,
    *,
    coactivation_tokens: int,
    workers: int,
) -> Iterator[FeatureBundle]:
    """Every feature of a dictionary, in order, without ablations and summary."""
    dictionary = target.dictionary
    store = EventStore.open(target.folder)
    partners = _coactive(store, corpus, coactivation_tokens)
    lenses = _lenses(dictionary, lens, rankings)
    neighbors = _neighbors(dictionary)
    norms = dictionary.decoder_norm().cpu().numpy()
    cosines = encoder_decoder_cosine(dictionary.W_enc, dictionary.W_dec)
    cosines = None if cosines is None else cosines.cpu().numpy()
    described = describe_features(target.folder, corpus_folder, settings, workers)
    for statistics in described:
        index = statistics.feature_index
        rankings.tokens.add(index, statistics.table)
        logit_lens = next(lenses)
        record = _record(
            statistics,
            float(norms[index]),
            None if cosines is None else float(cosines[index]),
            zero,
            None if logit_lens is None else float(logit_lens.adjusted_positive[0]),
        )
        yield FeatureBundle(
            record,
            FeaturePanels(
                panels.histogram_panel(statistics),
                logit_lens,
                panels.token_panel(statistics),
                panels.locality_panel(statistics),
                panels.places_panel(statistics),
                next(neighbors),
                next(partners),
            ),
            panels.example_groups(statistics),
            {},
        )


def _record(
    statistics: FeatureStatistics,
    decoder_norm: float,
    cosine: float | None,
    zero: PositionZeroSums,
    max_logit: float | None,
) -> FeatureRecord:
    index, figures, tokens = statistics.feature_index, statistics.statistics, statistics.tokens
    has_tokens = bool(tokens.token_id.size)
    return FeatureRecord(
        feature_index=index,
        n_active=figures.n_active,
        density=figures.density,
        max_activation=figures.max_activation,
        mean_activation=figures.mean_activation,
        std_activation=figures.std_activation,
        skewness=figures.skewness,
        kurtosis=figures.kurtosis,
        n_contexts_active=figures.n_contexts_active,
        decoder_norm=decoder_norm,
        encoder_decoder_cosine=cosine,
        top_token_id=int(tokens.token_id[0]) if has_tokens else None,
        top_token_share=float(tokens.share[0]) if has_tokens else None,
        top_token_rate=float(tokens.rate[0]) if has_tokens else None,
        context_share=None,
        ablation_token_id=None,
        ablation_token_effect=None,
        run_length=statistics.locality.runs.mean_length,
        span_fill=statistics.locality.span_fill,
        lives_as=_lives_as(statistics.locality),
        max_logit=max_logit,
        position_zero_n_active=int(zero.n_active[index]),
        position_zero_max=float(zero.max[index]),
        summary=[],
        short=[],
        sparkline=panels.sparkline(statistics.histogram),
        ablation_strip=b"",
        top_tokens=[int(token_id) for token_id in tokens.token_id[:3]],
    )


def _lives_as(locality: Locality) -> int:
    runs = locality.runs
    word = lives_as(
        runs.n_runs, runs.share_single, runs.mean_length, locality.n_spans, locality.span_fill
    )
    return LIVES_AS.index(word)


def _coactive(
    store: EventStore, corpus: Corpus, max_tokens: int
) -> Iterator[panels.CoactivePanel | None]:
    if not max_tokens:
        for _ in range(store.d_sae):
            yield None
        return
    token_set = TokenSet.first_contexts(store, corpus, max_tokens)
    coactive: Coactive
    for coactive in coactivation(store, token_set):
        yield panels.coactive_panel(coactive, token_set.n_tokens) if coactive.n_active else None


def _neighbors(dictionary: Dictionary) -> Iterator[NeighborPanel]:
    for index, cosine in nearest_features(dictionary.W_dec, N_NEIGHBORS):
        for row in range(len(index)):
            yield NeighborPanel(
                index[row].cpu().numpy().astype(np.uint32),
                cosine[row].cpu().numpy().astype(np.float32),
            )


def _lenses(
    dictionary: Dictionary, lens: LogitLens, rankings: Rankings
) -> Iterator[LogitLensPanel | None]:
    for start in range(0, dictionary.config.d_sae, lens.features_per_block):
        rows = dictionary.W_dec[start : start + lens.features_per_block]
        if lens.linear_path is None:
            yield from [None] * len(rows)
            continue
        logits = lens.block(rows).cpu().numpy()
        rankings.promotes.add_dense(start, logits)
        rankings.suppresses.add_dense(start, -logits)
        yield from _lens_panels(lens.summary(rows))


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
