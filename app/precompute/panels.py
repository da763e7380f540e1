"""From the statistics of one feature to the records an atlas stores.

Takes what `app.stats` and the weights stage computed and gives `app.db` records: only names, dtypes
and None → NaN change here, no number is computed anew but the sparkline's scale. Knows no model.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from app.db.records import (
    CoactivePanel,
    ExampleGroup,
    Group,
    HistogramPanel,
    LocalityPanel,
    PlacesPanel,
    TokenPanel,
)
from app.stats.coactivation import Coactive
from app.stats.feature import ExampleGroup as MeasuredGroup
from app.stats.feature import FeatureStatistics
from app.stats.histogram import Histogram


def histogram_panel(statistics: FeatureStatistics) -> HistogramPanel | None:
    """The activation histogram; None for a dead feature."""
    maximum = statistics.statistics.max_activation
    if maximum is None:
        return None
    return HistogramPanel(maximum, statistics.histogram.counts.astype(np.uint32))


def sparkline(histogram: Histogram) -> bytes:
    """One byte a bin, the largest 255, any count at least 1; empty for a dead feature."""
    counts = histogram.counts
    if not counts.size or not counts.max():
        return b""
    scaled = np.ceil(counts * 255 / counts.max())  # in this order the largest is 255 exactly
    return scaled.astype(np.uint8).tobytes()


def token_panel(statistics: FeatureStatistics) -> TokenPanel | None:
    """The strongest tokens; None for a dead feature."""
    tokens = statistics.tokens
    if not tokens.token_id.size:
        return None
    return TokenPanel(
        tokens.token_id.astype(np.uint32),
        tokens.n_active.astype(np.uint32),
        tokens.n_occurrences.astype(np.uint32),
        tokens.share.astype(np.float32),
        tokens.mean.astype(np.float32),
        tokens.max.astype(np.float32),
        tokens.n_tokens,
        tokens.n_active_left_out,
        tokens.share_left_out,
    )


def locality_panel(statistics: FeatureStatistics) -> LocalityPanel | None:
    """Runs, lift and spans; None for a dead feature."""
    measured = statistics.locality
    if not measured.runs.n_runs:
        return None
    return LocalityPanel(
        measured.runs.length_counts.astype(np.uint32),
        measured.runs.n_runs,
        measured.runs.n_cut,
        _number(measured.runs.mean_length),
        _number(measured.runs.median_length),
        _number(measured.runs.share_single),
        _numbers(measured.lift.lift),
        _numbers(measured.lift.null),
        measured.lift.n_null_sample,
        _number(measured.firings_per_context),
        _number(measured.span_fill),
        measured.n_spans,
    )


def places_panel(statistics: FeatureStatistics) -> PlacesPanel | None:
    """Density by position and document; None for a dead feature."""
    if not statistics.statistics.n_active:
        return None
    positions, documents = statistics.positions, statistics.documents
    return PlacesPanel(
        positions.n_active.astype(np.uint32),
        positions.n_tokens.astype(np.uint32),
        documents.document_ids.astype(np.int32),
        documents.n_active.astype(np.uint32),
        documents.n_tokens.astype(np.uint32),
        documents.n_documents,
    )


def coactive_panel(coactive: Coactive, n_tokens: int) -> CoactivePanel:
    """Partners of a feature, counted over `n_tokens` tokens."""
    return CoactivePanel(
        coactive.partner.astype(np.uint32),
        coactive.n_joint.astype(np.uint32),
        coactive.jaccard.astype(np.float32),
        coactive.lift.astype(np.float32),
        coactive.partner_given_this.astype(np.float32),
        coactive.this_given_partner.astype(np.float32),
        n_tokens,
    )


def example_groups(statistics: FeatureStatistics) -> dict[Group, ExampleGroup]:
    """Every group with at least one example.

    Where a feature fires its `hidden_pre` is its activation; silent examples are measured later.
    """
    return {
        measured.examples.group: _example_group(measured)
        for measured in statistics.groups
        if measured.examples.context_id.size
    }


def _example_group(measured: MeasuredGroup) -> ExampleGroup:
    examples, bands = measured.examples, measured.examples.bands
    return ExampleGroup(
        context_id=examples.context_id.astype(np.uint32),
        position=examples.position.astype(np.uint16),
        activation=examples.activation,
        hidden_pre=np.where(examples.activation > 0, examples.activation, np.float32("nan")),
        band=examples.band,
        repeats=examples.repeats.astype(np.uint32),
        window_start=measured.windows.start.astype(np.uint16),
        window_stop=measured.windows.stop.astype(np.uint16),
        firing_indptr=measured.activations.indptr.astype(np.uint32),
        firing_position=measured.activations.position.astype(np.uint16),
        firing_activation=measured.activations.activation,
        band_low=bands.low,
        band_high=bands.high,
        band_n_active=bands.n_active,
        band_share=bands.share,
        n_candidates=examples.n_candidates,
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _numbers(values: Iterable[float | None]) -> Float[np.ndarray, " n"]:
    return np.array([_number(value) for value in values], dtype=np.float32)
