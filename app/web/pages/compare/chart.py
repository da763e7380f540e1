"""Histograms of compared features in one chart, and the same numbers as a table.

Takes the features' material and the view. Knows no template.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.db.records import HistogramPanel
from app.web import text
from app.web.charts.overlay import Outline, overlay
from app.web.charts.plot import Chart
from app.web.pages.feature.material import Material
from app.web.views import CompareView

_SPREAD_ROWS = 10


@dataclass(frozen=True)
class SpreadRow:
    """One tenth of a feature's own range, a share of firings per feature."""

    name: str
    shares: list[str]


def build_chart(materials: Sequence[Material], view: CompareView) -> Chart | None:
    """Outlines of 25 bins, two of the feature's own page in one: several have to stay readable."""
    outlines = [
        Outline(
            str(material.named),
            []
            if (panel := _own(material)) is None
            else panel.counts.reshape(-1, 2).sum(1).tolist(),
            material.record.max_activation or 0.0,
        )
        for material in materials
    ]
    alive = any(sum(item.counts) for item in outlines)
    return overlay(outlines, view.axis, view.scale) if alive else None


def chart_note(materials: Sequence[Material]) -> str:
    """Why there is no chart, or a feature no line in it; empty where all have one."""
    if all(material.record.never_fired for material in materials):
        return "None of these features fired in the corpus."
    names = [str(m.named) for m in materials if not m.record.never_fired and _own(m) is None]
    if not names:
        return ""
    return (
        f"No line of {' and '.join(names)}: the files read hold no histogram, or one with bins of "
        "its own, which the feature's page shows."
    )


def _own(material: Material) -> HistogramPanel | None:
    """A histogram of 50 bins from 0 on; those of imports have bins of their own."""
    panel = material.panels.histogram
    return None if panel is None or panel.source_edges.size else panel


def build_spread(materials: Sequence[Material]) -> list[SpreadRow]:
    """The chart's numbers in tenths of each one's own maximum."""
    tenths: list[list[str]] = []
    for material in materials:
        panel = _own(material)
        counts = [] if panel is None else panel.counts.reshape(_SPREAD_ROWS, -1).sum(axis=1)
        total = sum(counts)
        tenths.append(
            [text.percent(int(count) / total) for count in counts]
            if total
            else [text.MISSING] * _SPREAD_ROWS
        )
    return [
        SpreadRow(f"{10 * i} – {10 * i + 10}%", list(shares))
        for i, shares in enumerate(zip(*tenths, strict=True))
    ]
