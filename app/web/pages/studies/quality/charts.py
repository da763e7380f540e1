"""The distributions of the page: four charts, and the quantiles of all numbers in one table.

Takes what was measured. Knows no template.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.db.study_records.reconstruction import Reconstruction
from app.db.study_records.spread import Spread
from app.web.charts.plot import Chart
from app.web.charts.spread import At, Bins, count_bins, spread_chart
from app.web.pages.studies.quality.measured import Measured
from app.web.text import count, number, percent

SHOWN = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
"""Shares of the columns of the table."""
_WORDS = {0.0: "least", 0.5: "median", 1.0: "largest"}


@dataclass(frozen=True)
class SpreadPanel:
    """One chart with its heading."""

    title: str
    formula: str
    chart: Chart


@dataclass(frozen=True)
class QuantileTable:
    """Every number of a token, its distribution in a line."""

    heads: list[str]
    rows: list[list[str]]
    """a name, then a cell for each head"""


def spread_panels(measured: Measured) -> list[SpreadPanel]:
    """None where the study was skipped."""
    single, variants = measured.single, measured.variants
    if single is None:
        return []
    explained = [] if variants is None else [_explained(variants.explained, variants.n_contexts)]
    return [_l0(measured, single), *explained, _cosine(single), _norms(single)]


def quantile_table(measured: Measured) -> QuantileTable | None:
    """None where the study was skipped."""
    if measured.single is None:
        return None
    heads = ["tokens", "mean", "std", *(_WORDS.get(s, percent(s)) for s in SHOWN)]
    return QuantileTable(heads, [_row(name, found) for name, found in named_spreads(measured)])


def named_spreads(measured: Measured) -> Iterator[tuple[str, Spread]]:
    """(what it is, its distribution), in the order of the page."""
    single, l0 = measured.single, measured.l0_spread
    if single is None or l0 is None:
        return
    yield "L0", l0
    if measured.variants is not None:
        yield "1 − ‖x−x̂‖² / ‖x−x̄‖²", measured.variants.explained
    yield "‖x−x̂‖² / ‖x‖²", single.relative_error
    yield "‖x−x̂‖²", single.squared_error
    yield "cos(x, x̂)", single.cosine
    yield "‖x‖", single.norm
    yield "‖x̂‖", single.reconstruction_norm
    yield "‖x̂‖ / ‖x‖", single.norm_ratio


def _row(name: str, found: Spread) -> list[str]:
    at = dict(zip(found.shares.tolist(), found.quantiles.tolist(), strict=True))
    cells = [number(at[share]) if share in at else "–" for share in SHOWN]
    return [name, count(found.n), number(found.mean), number(found.std), *cells]


def _l0(measured: Measured, single: Reconstruction) -> SpreadPanel:
    mean = measured.sae.record.quality.l0
    chart = spread_chart(
        count_bins("tokens", single.l0_counts),
        kind="spread",
        label="Histogram of L0 over tokens",
        x_name="features active at a token",
        at=[At(f"mean {number(mean)}", np.nan if mean is None else mean)],
    )
    return SpreadPanel("L0", "features active at a token", chart)


def _explained(found: Spread, n_contexts: int) -> SpreadPanel:
    chart = spread_chart(
        _bins("tokens", found),
        kind="spread",
        label="Histogram of the variance explained at a token",
        x_name="1 − ‖x−x̂‖² / ‖x−x̄‖²",
        at=[At(f"median {number(found.median)}", found.median)],
        note=f"A sample: {count(found.n)} counted tokens of {count(n_contexts)} contexts. "
        + _beyond(found),
    )
    return SpreadPanel("Variance explained at a token", "", chart)


def _cosine(single: Reconstruction) -> SpreadPanel:
    found = single.cosine
    chart = spread_chart(
        _bins("tokens", found),
        kind="spread",
        label="Histogram of the cosine of input and reconstruction",
        x_name="cos(x, x̂)",
        at=[At(f"median {number(found.median)}", found.median)],
        note=_beyond(found),
    )
    return SpreadPanel("Direction", "cosine of input and reconstruction", chart)


def _norms(single: Reconstruction) -> SpreadPanel:
    chart = spread_chart(
        _bins("‖x‖", single.norm),
        outline=_bins(f"‖x̂‖, median {number(single.reconstruction_norm.median)}",
                      single.reconstruction_norm),
        log=True,
        kind="spread",
        label="Histograms of the norms of inputs and reconstructions",
        x_name="norm (log scale)",
        at=[At(f"median ‖x‖ {number(single.norm.median)}", single.norm.median)],
        note="Bars are inputs; the outline is reconstructions, over bars of the same width.",
    )  # fmt: skip
    return SpreadPanel("Length", "norms of inputs and reconstructions", chart)


def _bins(name: str, found: Spread) -> Bins:
    return Bins(name, found.edges, found.counts, found.n)


def _beyond(found: Spread) -> str:
    n = found.n_below + found.n_above
    if not n:
        return ""
    low, high = number(float(found.quantiles[0])), number(float(found.quantiles[-1]))
    return f"{count(n)} tokens lie beyond the axis, from {low} to {high}."
