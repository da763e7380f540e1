"""The density histogram: equal bins of log density, and the filtered range dark."""

import pytest

from app.web.charts.density import BINS_PER_DECADE, decade_label, density_chart, density_edges


def test_edges_span_whole_decades() -> None:
    edges = density_edges(0.0004)
    assert edges[0] == pytest.approx(1e-4)
    assert edges[-1] == 1.0
    assert len(edges) == 4 * BINS_PER_DECADE + 1
    assert edges[BINS_PER_DECADE] == pytest.approx(1e-3)


def test_without_living_features_there_is_an_empty_chart() -> None:
    edges = density_edges(None)
    chart = density_chart(edges, [0] * (len(edges) - 1), "linear", (None, None), _link)
    assert chart.marks == []


@pytest.mark.parametrize(("exponent", "label"), [(0, "100%"), (-2, "1%"), (-4, "0.01%")])
def test_decades_as_percentages(exponent: int, label: str) -> None:
    assert decade_label(exponent) == label


def test_bars_link_to_their_range_and_say_their_count() -> None:
    chart = density_chart([0.01, 0.1, 1.0], [3, 1], "linear", (None, None), _link)
    assert [(mark.css, mark.href) for mark in chart.marks] == [
        ("mark", "0.01-0.1"),
        ("mark", "0.1-1.0"),
    ]
    heights = [float(mark.height.rstrip("%")) for mark in chart.marks]
    assert heights == pytest.approx([100, 33.3], abs=0.1)
    assert chart.marks[0].label == "1% – 10%: 3 features"


def test_the_filtered_range_is_dark() -> None:
    chart = density_chart([0.01, 0.1, 1.0], [3, 1], "linear", (0.2, None), _link)
    assert [mark.css for mark in chart.marks] == ["mark", "mark-strong"]


def test_log_counts_keep_the_order() -> None:
    chart = density_chart([0.01, 0.1, 1.0], [1000, 1], "log", (None, None), _link)
    low, high = (float(mark.height.rstrip("%")) for mark in reversed(chart.marks))
    assert 3 < low < high == 100


def _link(low: float, high: float) -> str:
    return f"{low}-{high}"
