"""From the statistics of a range of features to the records an atlas stores, one bundle a feature.

Takes what `app.precompute.ranges` counted and gives `app.db` records: only names and dtypes change,
no number is computed anew but ratios of counts and the sparkline's scale. Arrays are converted once
for the whole range and then cut: a feature costs its slices. Knows no model and no weights.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from app.db.records import (
    GROUPS,
    LIVES_AS,
    CoactivePanel,
    ExampleGroup,
    FeatureBundle,
    FeaturePanels,
    FeatureRecord,
    Group,
    HistogramPanel,
    LocalityPanel,
    PlacesPanel,
    TokenPanel,
)
from app.db.stored.example_columns import FeatureExamples, GroupColumns
from app.precompute.ranges.coactivation import RangePartners
from app.precompute.ranges.describe import RangeStatistics
from app.precompute.ranges.examples import RangeExamples
from app.precompute.ranges.near_misses import RangeNearMisses, no_near_misses
from app.stats.arrays import offsets
from app.stats.summary_facts import lives_as


def range_bundles(
    found: RangeStatistics,
    hidden_pre: Float[np.ndarray, " n_silent"] | None = None,
    near: RangeNearMisses | None = None,
) -> Iterator[FeatureBundle]:
    """Every feature of the range, in order, without what weights, model and other stages say.

    `hidden_pre` is that of the range's silent examples; NaN where it isn't given. `near` are the
    same features' near misses; there are none where it isn't given.
    """
    near = near or no_near_misses(found.first, found.n_features)
    examples = example_columns(found, near)
    if hidden_pre is not None:
        examples["silent"] = replace(examples["silent"], hidden_pre=hidden_pre)
    columns = zip(
        _records(found),
        _histograms(found),
        _token_panels(found),
        _locality_panels(found, near),
        _places_panels(found),
        strict=True,
    )
    for row, (record, histogram, tokens, locality, places) in enumerate(columns):
        panels = FeaturePanels(histogram, None, tokens, locality, places, None, None)
        yield FeatureBundle(record, panels, FeatureExamples(examples, row), {})


def example_columns(found: RangeStatistics, near: RangeNearMisses) -> dict[Group, GroupColumns]:
    """The examples of every group, in the order of GROUPS.

    Where a feature fires its `hidden_pre` is its activation; silent examples are measured later.
    """
    assert near.first == found.first
    groups = {**vars(found), "near": near.examples}
    columns: dict[Group, GroupColumns] = {
        group: _example_columns(found, groups[group]) for group in GROUPS
    }
    columns["near"] = replace(columns["near"], hidden_pre=near.hidden_pre)
    return columns


def range_examples(found: RangeStatistics, group: Group) -> Iterator[ExampleGroup | None]:
    """The examples of one group, feature by feature; None where there are none."""
    columns = _example_columns(found, getattr(found, group))
    return (columns.group(row) for row in range(found.n_features))


def _example_columns(found: RangeStatistics, examples: RangeExamples) -> GroupColumns:
    start, stop = found.windows(examples.position)
    bands = examples.band_low == examples.band_low
    share = examples.band_n_active / np.maximum(found.n_active, 1)[:, None]
    return GroupColumns(
        indptr=examples.indptr,
        context_id=examples.context_id,
        position=examples.position,
        activation=examples.activation,
        hidden_pre=np.where(examples.activation > 0, examples.activation, np.float32("nan")),
        band=examples.band,
        repeats=examples.repeats,
        window_start=start,
        window_stop=stop,
        firing_indptr=examples.firing_indptr,
        firing_position=examples.firing_position,
        firing_activation=examples.firing_activation,
        band_indptr=offsets(bands.sum(axis=1)),
        band_low=examples.band_low[bands],
        band_high=examples.band_high[bands],
        band_n_active=examples.band_n_active[bands],
        band_share=share[bands],
        n_candidates=examples.n_candidates,
    )


def sparklines(found: RangeStatistics) -> list[bytes]:
    """One byte a bin, the largest 255, any count at least 1; empty for a dead feature."""
    most = found.histogram.max(axis=1, keepdims=True)
    # In this order the largest is 255 exactly.
    scaled = np.ceil(found.histogram * 255 / np.maximum(most, 1)).astype(np.uint8)
    return [
        row.tobytes() if alive else b"" for row, alive in zip(scaled, found.n_active, strict=True)
    ]


def _records(found: RangeStatistics) -> Iterator[FeatureRecord]:
    moments, places, tokens = found.moments, found.places, found.tokens
    starts, n_tokens = tokens.indptr[:-1].tolist(), np.diff(tokens.indptr).tolist()
    token_ids = tokens.token_id.tolist()
    share = tokens.share.tolist()
    rate = (tokens.n_active / tokens.n_occurrences).tolist()
    columns = zip(
        found.n_active.tolist(),
        (found.n_active / max(found.n_tokens, 1)).tolist(),
        _or_none(moments.max),
        _or_none(moments.mean),
        _or_none(moments.std),
        _or_none(moments.skewness),
        _or_none(moments.kurtosis),
        places.n_contexts.tolist(),
        _or_none(_ratio(found.n_active, places.n_runs)),
        _or_none(_ratio(places.span_firings, places.span_tokens)),
        _lives_as(found),
        sparklines(found),
        strict=True,
    )
    for row, column in enumerate(columns):
        n_active, density, maximum, mean, std, skewness, kurtosis, *others = column
        n_contexts, run_length, span_fill, lived, sparkline = others
        first = starts[row]
        has_tokens = n_tokens[row] > 0
        yield FeatureRecord(
            feature_index=found.first + row,
            n_active=n_active,
            density=density,
            max_activation=maximum,
            mean_activation=mean,
            std_activation=std,
            skewness=skewness,
            kurtosis=kurtosis,
            n_contexts_active=n_contexts,
            decoder_norm=0.0,
            threshold=None,
            encoder_decoder_cosine=None,
            top_token_id=token_ids[first] if has_tokens else None,
            top_token_share=share[first] if has_tokens else None,
            top_token_rate=rate[first] if has_tokens else None,
            context_share=None,
            ablation_token_id=None,
            ablation_token_effect=None,
            run_length=run_length,
            span_fill=span_fill,
            lives_as=lived,
            max_logit=None,
            position_zero_n_active=0,
            position_zero_max=0.0,
            summary=[],
            short=[],
            sparkline=sparkline,
            ablation_strip=b"",
            top_tokens=token_ids[first : first + min(n_tokens[row], 3)],
        )


def _lives_as(found: RangeStatistics) -> list[int]:
    places = found.places
    columns = zip(
        places.n_runs.tolist(),
        _ratio(places.length_counts[:, 0], places.n_runs).tolist(),
        _ratio(found.n_active, places.n_runs).tolist(),
        places.n_spans.tolist(),
        _ratio(places.span_firings, places.span_tokens).tolist(),
        strict=True,
    )
    return [LIVES_AS.index(lives_as(*column)) for column in columns]


def _histograms(found: RangeStatistics) -> Iterator[HistogramPanel | None]:
    counts = found.histogram.astype(np.uint32)
    for row, maximum in enumerate(_or_none(found.moments.max)):
        yield None if maximum is None else HistogramPanel(maximum, counts[row])


def _token_panels(found: RangeStatistics) -> Iterator[TokenPanel | None]:
    tokens = found.tokens
    indptr = tokens.indptr.tolist()
    token_id = tokens.token_id.astype(np.uint32)
    n_active = tokens.n_active.astype(np.uint32)
    n_occurrences = tokens.n_occurrences.astype(np.uint32)
    share, mean = tokens.share.astype(np.float32), tokens.mean.astype(np.float32)
    left_out = zip(
        tokens.n_tokens.tolist(),
        tokens.n_active_left_out.tolist(),
        tokens.share_left_out.tolist(),
        strict=True,
    )
    for row, counted in enumerate(left_out):
        rows = slice(indptr[row], indptr[row + 1])
        yield (
            TokenPanel(
                token_id[rows],
                n_active[rows],
                n_occurrences[rows],
                share[rows],
                mean[rows],
                tokens.max[rows],
                *counted,
            )
            if rows.start < rows.stop
            else None
        )


def _locality_panels(
    found: RangeStatistics, near: RangeNearMisses
) -> Iterator[LocalityPanel | None]:
    places, lift = found.places, found.lift
    length_counts = places.length_counts.astype(np.uint32)
    curve, null = lift.lift.astype(np.float32), lift.null.astype(np.float32)
    columns = zip(
        places.n_runs.tolist(),
        places.n_cut.tolist(),
        _ratio(found.n_active, places.n_runs).tolist(),
        places.median_length.tolist(),
        _ratio(places.length_counts[:, 0], places.n_runs).tolist(),
        lift.n_null_sample.tolist(),
        _ratio(found.n_active, places.n_contexts).tolist(),
        _ratio(places.span_firings, places.span_tokens).tolist(),
        places.n_spans.tolist(),
        near.n_spans.tolist(),
        near.n_span_silent.tolist(),
        near.n_span_near.tolist(),
        strict=True,
    )
    for row, (n_runs, n_cut, mean, median, single, n_sample, *spans) in enumerate(columns):
        yield (
            LocalityPanel(
                length_counts[row],
                n_runs,
                n_cut,
                mean,
                median,
                single,
                curve[row],
                null[row],
                n_sample,
                *spans,
            )
            if n_runs
            else None
        )


def _places_panels(found: RangeStatistics) -> Iterator[PlacesPanel | None]:
    places = found.places
    n_active = places.position_n_active.astype(np.uint32)
    n_tokens = found.counted_per_position.astype(np.uint32)
    document_n_active = places.document_n_active.astype(np.uint32)
    document_n_tokens = found.document_n_tokens.astype(np.uint32)
    n_listed = (places.document_id >= 0).sum(axis=1).tolist()
    n_documents = places.n_documents.tolist()
    for row, alive in enumerate(found.n_active.tolist()):
        listed = (row, slice(n_listed[row]))
        yield (
            PlacesPanel(
                n_active[row],
                n_tokens,
                places.document_id[listed],
                document_n_active[listed],
                document_n_tokens[listed],
                n_documents[row],
            )
            if alive
            else None
        )


def coactive_panels(partners: RangePartners) -> Iterator[CoactivePanel | None]:
    """The partners of every feature of a range; None where it never fires on these tokens."""
    index, n_joint = partners.partner.astype(np.uint32), partners.n_joint.astype(np.uint32)
    jaccard, lift = partners.jaccard.astype(np.float32), partners.lift.astype(np.float32)
    partner_given_this = partners.partner_given_this.astype(np.float32)
    this_given_partner = partners.this_given_partner.astype(np.float32)
    n_listed = (partners.partner >= 0).sum(axis=1).tolist()
    for row, alive in enumerate(partners.n_active.tolist()):
        listed = (row, slice(n_listed[row]))
        yield (
            CoactivePanel(
                index[listed],
                n_joint[listed],
                jaccard[listed],
                lift[listed],
                partner_given_this[listed],
                this_given_partner[listed],
                partners.n_tokens,
            )
            if alive
            else None
        )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """NaN where there is nothing to divide by."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _or_none(values: np.ndarray) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
