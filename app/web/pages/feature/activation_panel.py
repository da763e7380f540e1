"""The activation histogram of a feature: a chart whose bars lead to their examples, and a table.

Takes a feature's material, the scale, the band chosen and how to address a band; knows no query.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from app.db.records import HistogramPanel
from app.web import text
from app.web.bands import Band, band_text, bins_inside, read_band
from app.web.charts.histogram import Scale, histogram
from app.web.charts.plot import Chart
from app.web.pages.feature.material import Material


class BinRow(NamedTuple):
    """One bin: from (exclusive) to (inclusive)."""

    low: str
    high: str
    count: str
    share: str


@dataclass(frozen=True)
class ActivationPanel:
    """The panel as printed."""

    chart: Chart
    n_active: int
    moments: str
    rows: list[BinRow]
    width: str
    """of a bin"""
    band: str
    """the band chosen, with how much of the firings it holds; empty without one"""
    all_href: str
    """the same view without a band"""


def build_activation_panel(
    material: Material, scale: Scale, band: str, links_to: Callable[[Sequence[str]], list[str]]
) -> ActivationPanel | None:
    """The panel, or None where the feature never fired.

    Args:
        band: the view's argument.
        links_to: the addresses of this view with other bands; "" for none.
    """
    panel = material.panels.histogram
    if panel is None or int(panel.counts.sum()) == 0:
        return None
    edges, counts = bin_edges(panel), panel.counts.tolist()
    total = sum(counts)
    record = material.record
    found = read_band(band, edges)
    chosen = None if found is None else bins_inside(found, edges)
    bands = [band_text(low, high) for low, high in pairwise(edges)]
    *links, without_band = links_to([*bands, ""])
    if chosen is not None and chosen[1] - chosen[0] == 1:
        links[chosen[0]] = without_band
    chart = histogram(
        edges,
        counts,
        kind="activation",
        label=f"Activation histogram of feature {record.feature_index}",
        x_name="activation",
        y_name="tokens",
        noun="tokens",
        scale=scale,
        heat=True,
        links=links,
        chosen=chosen,
        note=f"A bar counts the tokens whose activation lies in its bin; all {total:,} firings are "
        "here, silent tokens are not. Its colour is that of the text below.",
    )
    rows = [
        BinRow(
            f"{edges[i]:.4g}",
            f"{edges[i + 1]:.4g}",
            text.count(counts[i]),
            text.percent(counts[i] / total),
        )
        for i in range(len(counts))
    ]
    moments = (
        f"skewness {text.number(record.skewness)}, kurtosis {text.number(record.kurtosis)} "
        "(3 for a normal)"
    )
    words = "" if found is None or chosen is None else _band_words(found, chosen, counts, edges)
    return ActivationPanel(chart, total, moments, rows, f"{edges[1]:.4g}", words, without_band)


def bin_edges(panel: HistogramPanel) -> list[float]:
    """The borders of the bins, from 0 to the maximum."""
    n_bins = panel.counts.size
    return [panel.max_activation * i / n_bins for i in range(n_bins + 1)]


def _band_words(band: Band, chosen: tuple[int, int], counts: list[int], edges: list[float]) -> str:
    """What the band holds: exact where its borders are edges, else what the bins touched hold."""
    low, high = max(band.low, 0.0), min(band.high, edges[-1])
    first, last = chosen
    inside, total = sum(counts[first:last]), sum(counts)
    exact = inside == 0 or (edges[first] >= band.low and edges[last] <= band.high)
    share = text.percent(inside / total)
    said = f"{inside:,} of {total:,} firings ({share})"
    return f"{text.number(low)} – {text.number(high)}: {said if exact else f'at most {said}'}"
