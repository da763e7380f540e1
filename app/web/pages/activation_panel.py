"""The activation histogram of a feature: chart, and the same counts as a table.

Takes a feature's material and the scale; knows no query and no address.
"""

from dataclasses import dataclass

from app.db.records import HistogramPanel
from app.web import text
from app.web.charts.histogram import Scale, histogram
from app.web.charts.plot import Chart
from app.web.charts.scales import heat_class
from app.web.pages.feature_material import Material


@dataclass(frozen=True)
class BinRow:
    """One bin: from (exclusive) to (inclusive)."""

    low: str
    high: str
    count: str
    share: str
    css: str


@dataclass(frozen=True)
class ActivationPanel:
    """The panel as printed."""

    chart: Chart
    n_active: int
    moments: str
    rows: list[BinRow]
    width: str
    """of a bin"""


def build_activation_panel(material: Material, scale: Scale) -> ActivationPanel | None:
    """The panel, or None where the feature never fired."""
    panel = material.panels.histogram
    if panel is None or int(panel.counts.sum()) == 0:
        return None
    edges, counts = bin_edges(panel), panel.counts.tolist()
    total = sum(counts)
    record = material.record
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
        note=f"Each bar counts the tokens whose activation lies in its bin; the {total:,} firings "
        "are all here, silent tokens are not. The colours are those of the text below.",
    )
    rows = [
        BinRow(
            f"{edges[i]:.4g}",
            f"{edges[i + 1]:.4g}",
            text.count(counts[i]),
            text.percent(counts[i] / total),
            heat_class(edges[i + 1], edges[-1]),
        )
        for i in range(len(counts))
    ]
    moments = (
        f"skewness {text.number(record.skewness)}, excess kurtosis {text.number(record.kurtosis)}"
    )
    return ActivationPanel(chart, total, moments, rows, f"{edges[1]:.4g}")


def bin_edges(panel: HistogramPanel) -> list[float]:
    """The borders of the bins, from 0 to the maximum."""
    n_bins = panel.counts.size
    return [panel.max_activation * i / n_bins for i in range(n_bins + 1)]
