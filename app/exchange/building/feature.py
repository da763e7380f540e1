"""One imported feature as the records an atlas keeps of it: what its source has, and None.

Takes what a source says of a feature; the vocabulary and the texts grow as it is read. Knows no
table and no file.
"""

import math

from app.db.records import FeatureBundle, FeaturePanels, FeatureRecord
from app.errors import AtlasError
from app.exchange.building.contexts import Contexts
from app.exchange.building.examples import example_groups
from app.exchange.building.panels import (
    histogram_panel,
    lens_panel,
    neighbor_panel,
    sparkline,
)
from app.exchange.building.summary import summary_of
from app.exchange.building.vocabulary import Vocabulary
from app.exchange.foreign import ForeignFeature
from app.stats.wording import Piece

MOST_FEATURES = 1 << 24
"""Larger numbers are no feature's: pages and search hold a little for every number below it."""


def feature_bundle(
    feature: ForeignFeature, dead: bool, vocabulary: Vocabulary, contexts: Contexts
) -> FeatureBundle:
    """Everything the atlas will know of it.

    Raises:
        AtlasError: its numbers can't be.
    """
    _check(feature.where, feature)
    groups = example_groups(feature.where, feature.examples, vocabulary, contexts)
    histogram = histogram_panel(feature.histogram)
    lens = lens_panel(feature.where, feature.logits, vocabulary)
    neighbors = neighbor_panel(feature.neighbors)
    sentence, short = summary_of(feature, dead)
    largest = None if lens is None or not lens.raw_positive.size else float(lens.raw_positive[0])
    record = FeatureRecord(
        feature_index=feature.feature_index,
        n_active=0 if dead else feature.n_active,
        density=0.0 if dead else feature.density or None,
        max_activation=feature.max_activation,
        mean_activation=feature.mean_activation,
        std_activation=feature.std_activation,
        skewness=feature.skewness,
        kurtosis=feature.kurtosis,
        n_contexts_active=None,
        decoder_norm=None,
        threshold=None,
        encoder_decoder_cosine=None,
        top_token_id=None,
        top_token_share=None,
        top_token_rate=None,
        context_share=None,
        ablation_token_id=None,
        ablation_token_effect=None,
        run_length=None,
        span_fill=None,
        lives_as=None,
        max_logit=None if largest is None or math.isnan(largest) else largest,
        position_zero_n_active=None,
        position_zero_max=None,
        summary=_lists(sentence),
        short=_lists(short),
        sparkline=sparkline(histogram),
        ablation_strip=b"",
        top_tokens=[],
    )
    panels = FeaturePanels(histogram, lens, None, None, None, neighbors, None)
    return FeatureBundle(record, panels, groups, {})


def _check(where: str, feature: ForeignFeature) -> None:
    if not 0 <= feature.feature_index < MOST_FEATURES:
        raise AtlasError(
            f"{where} has the number {feature.feature_index}, expected 0 to {MOST_FEATURES - 1:,}."
        )
    density = feature.density
    if density is not None and not 0 <= density <= 1:
        raise AtlasError(f"{where} has the density {density:g}, which is no share.")
    if feature.n_active is not None and not 0 <= feature.n_active < 2**62:
        raise AtlasError(f"{where} is said to fire on {feature.n_active} tokens.")
    for name in ("max", "mean", "std"):
        value = getattr(feature, f"{name}_activation")
        if value is not None and not math.isfinite(value):
            raise AtlasError(f"{where} has a {name} activation that is no finite number.")


def _lists(pieces: list[Piece]) -> list[list[str]]:
    return [list(piece) for piece in pieces]
