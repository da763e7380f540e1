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
    count: str
    """what is counted: "1,200 active tokens"; empty where an import has shares"""
    table_note: str
    """how the table is to be read"""
    rows: list[BinRow]
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
    words = _words(material, panel, total)
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
        y_name=words.unit,
        noun=words.unit,
        scale=scale,
        heat=True,
        links=links,
        chosen=chosen,
        note=words.note,
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
    said = "" if found is None or chosen is None else _band_words(found, chosen, counts, edges)
    return ActivationPanel(
        chart, words.count, words.table_note(rows, edges), rows, said, without_band
    )


@dataclass(frozen=True)
class _Words:
    """What is said around the histogram."""

    unit: str
    note: str
    count: str
    sums: str
    moments: str

    def table_note(self, rows: list[BinRow], edges: list[float]) -> str:
        width = f" of width {edges[1] - edges[0]:.4g}" if _are_equal(edges) else ""
        said = f"{len(rows)} bins{width}, each without its lower border and with its upper"
        return "; ".join(filter(None, (said, self.sums, self.moments))) + "."


def _words(material: Material, panel: HistogramPanel, total: int) -> _Words:
    record, imported = material.record, material.sae.record.imported
    moments = ""
    if record.skewness is not None or record.kurtosis is not None:
        moments = (
            f"skewness {text.number(record.skewness)}, kurtosis {text.number(record.kurtosis)} "
            "(3 for a normal)"
        )
    if imported is None:
        return _Words(
            "tokens",
            "A bar counts the tokens whose activation lies in its bin; all "
            f"{total:,} firings are here, silent tokens are not. Its colour is that of the text "
            "below.",
            f"{total:,} active tokens",
            f"the counts sum to {total:,}",
            moments,
        )
    if panel.in_millionths:
        note = "A bar is the share of active tokens in its bin, as its source has it."
        return _Words("millionths of the active tokens", note, "", "", moments)
    note = f"A bar counts active tokens, as its source has them: {total:,} in all."
    return _Words("tokens", note, f"{total:,} active tokens", f"they sum to {total:,}", moments)


def _are_equal(edges: list[float]) -> bool:
    widths = [high - low for low, high in pairwise(edges)]
    return max(widths) - min(widths) <= 0.01 * max(widths)


def bin_edges(panel: HistogramPanel) -> list[float]:
    """The borders of the bins, from 0 to the maximum; an import's are its source's."""
    if panel.source_edges.size:
        return panel.source_edges.tolist()
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
