"""Everything events say about one feature, in one call.

Takes the feature's events and the corpus, gives one record for the writer of the atlas. Knows the
order of nothing else: co-activation and quality need all features, the summary needs ablations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.examples import ExampleSet, interval_examples, quantile_examples, top_examples
from app.stats.histogram import (
    DocumentDensity,
    Histogram,
    PositionDensity,
    activation_histogram,
    document_density,
    position_density,
)
from app.stats.locality import Locality, locality
from app.stats.moments import ActivationStatistics, activation_statistics
from app.stats.silent import silent_examples
from app.stats.tokens import TokenStatistics, TokenTable, strongest_tokens, token_table
from app.stats.windows import ContextActivations, Windows, context_activations, windows


@dataclass(frozen=True)
class StatisticsSettings:
    """How much is kept of each feature. Part of the recipe: other values, another atlas."""

    n_top: int = 20
    n_bands: int = 5
    per_band: int = 5
    n_quantiles: int = 5
    per_quantile: int = 5
    n_silent: int = 10
    window_before: int = 47  # tokens
    window_after: int = 16  # tokens
    n_tokens: int = 64
    n_bins: int = 50
    n_documents: int = 10
    n_ranked: int = 100  # features of a token in each ranking
    seed: int = 0

    @classmethod
    def told(cls, options: Mapping[str, Any]) -> "StatisticsSettings":
        """What a run was told, by the names its options and recipe have.

        Raises:
            KeyError: one of `OPTIONS` is missing.
        """
        return cls(**{name: options[option] for name, option in OPTIONS.items()})


OPTIONS = {
    "n_top": "top_examples",
    "per_band": "interval_examples",
    "per_quantile": "quantile_examples",
    "n_silent": "silent_examples",
    "seed": "seed",
}
"""Which settings a run can be told, and what its options call them."""


@dataclass(frozen=True)
class ExampleGroup:
    """One group of examples: where each window lies, and every firing in its context."""

    examples: ExampleSet
    windows: Windows
    activations: ContextActivations


@dataclass(frozen=True)
class FeatureStatistics:
    """All of it; `table` (every token, not only the strongest) is for the rankings by token."""

    feature_index: int
    statistics: ActivationStatistics
    histogram: Histogram
    positions: PositionDensity
    documents: DocumentDensity
    groups: tuple[ExampleGroup, ...]  # top, interval, quantile, silent
    tokens: TokenStatistics
    table: TokenTable
    locality: Locality


def describe_feature(
    events: FeatureEvents, corpus: Corpus, settings: StatisticsSettings | None = None
) -> FeatureStatistics:
    """Every statistic of one feature, dead ones too. Costs its events and its tokens' places."""
    use = settings or StatisticsSettings()
    table = token_table(events, corpus)
    sets = (
        top_examples(events, corpus, use.n_top, use.window_before),
        interval_examples(events, corpus, use.n_bands, use.per_band, use.seed),
        quantile_examples(events, corpus, use.n_quantiles, use.per_quantile, use.seed),
        silent_examples(events, table, corpus, use.n_silent, use.seed),
    )
    return FeatureStatistics(
        events.feature_index,
        activation_statistics(events, corpus.n_tokens),
        activation_histogram(events, use.n_bins),
        position_density(events, corpus),
        document_density(events, corpus, use.n_documents),
        tuple(_with_windows(events, examples, corpus, use) for examples in sets),
        strongest_tokens(table, use.n_tokens),
        table,
        locality(events, table, corpus, use.seed),
    )


def _with_windows(
    events: FeatureEvents, examples: ExampleSet, corpus: Corpus, use: StatisticsSettings
) -> ExampleGroup:
    size = corpus.context_size
    spans = windows(examples.position, size, use.window_before, use.window_after)
    return ExampleGroup(examples, spans, context_activations(events, examples.context_id))
