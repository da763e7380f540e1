"""The density histogram: round edges an eighth of a decade apart, the kept range dark, a brush."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.charts.density import (
    BINS_PER_DECADE,
    DensityChart,
    count_between,
    decade_label,
    density_chart,
    edge_texts,
    edge_values,
)
from app.web.ranges import parse_range

TENTHS = ["1%", "10%", "100%"]
OPEN = (None, None)


def test_edges_span_whole_decades() -> None:
    texts = edge_texts(0.0004)
    assert (texts[0], texts[1], texts[-1]) == ("0.01%", "0.0133%", "100%")
    assert len(texts) == 4 * BINS_PER_DECADE + 1
    assert texts[BINS_PER_DECADE] == "0.1%"


@given(st.floats(1e-9, 1.0))
def test_every_density_lies_above_the_lowest_edge(density: float) -> None:
    edges = edge_values(edge_texts(density))
    assert edges[0] < density <= edges[-1] == 1.0
    assert sum(count_between(np.array([density]), edges)) == 1


@pytest.mark.parametrize("smallest", [0.3, 1e-4, 3e-7])
def test_a_range_of_edges_is_read_as_the_edges_themselves(smallest: float) -> None:
    """So that a link holds what its bar counts, and every edge is three digits at most."""
    texts = edge_texts(smallest)
    edges = edge_values(texts)
    for (low, high), bounds in zip(pairwise(texts), pairwise(edges), strict=True):
        assert parse_range(f"{low}..{high}") == bounds
    ratios = [high / low for low, high in pairwise(edges)]
    np.testing.assert_allclose(ratios, 10 ** (1 / BINS_PER_DECADE), rtol=0.005)
    assert not any("e" in text for text in texts)


@given(st.lists(st.floats(0, 1), max_size=40))
def test_counts_are_those_of_comparing(densities: list[float]) -> None:
    edges = edge_values(edge_texts(0.001))
    counts = count_between(np.array(densities), edges)
    expected = [sum(low < d <= high for d in densities) for low, high in pairwise(edges)]
    assert counts == expected


def test_without_living_features_there_is_an_empty_chart() -> None:
    texts = edge_texts(None)
    drawn = density_chart(texts, [0] * (len(texts) - 1), None, "linear", OPEN, _link)
    assert drawn.chart.marks == []


@pytest.mark.parametrize(("exponent", "label"), [(0, "100%"), (-2, "1%"), (-4, "0.01%")])
def test_decades_as_percentages(exponent: int, label: str) -> None:
    assert decade_label(exponent) == label


def test_bars_link_to_their_range_and_say_their_count() -> None:
    chart = density_chart(TENTHS, [3, 1], None, "linear", OPEN, _link).chart
    assert [mark.css for mark in chart.marks] == ["mark", "mark"]
    heights = [float(mark.height.rstrip("%")) for mark in chart.marks]
    assert heights == pytest.approx([100, 33.3], abs=0.1)
    assert [(link.href, link.label, link.x, link.width) for link in chart.links] == [
        ("1%|10%", "1% – 10%: 3 features", "0%", "50%"),
        ("10%|100%", "10% – 100%: 1 feature", "50%", "50%"),
    ]


def test_what_other_filters_keep_stands_before_all() -> None:
    chart = density_chart(TENTHS, [40, 10], [5, 0], "linear", OPEN, _link).chart
    assert [mark.css for mark in chart.marks] == ["mark-all", "mark-all", "mark"]
    heights = [float(mark.height.rstrip("%")) for mark in chart.marks]
    assert heights == pytest.approx([100, 25, 12.5])
    assert [link.label for link in chart.links] == ["1% – 10%: 5 of 40 features"]


def test_a_bar_that_is_kept_alone_is_the_current_one() -> None:
    chart = density_chart(TENTHS, [3, 1], None, "linear", (0.1, 1.0), _link).chart
    assert [link.current for link in chart.links] == [False, True]


@pytest.mark.parametrize(
    ("kept", "css", "place"),
    [
        (OPEN, ["mark", "mark"], (0, 2, False)),
        ((0.1, None), ["mark", "mark-strong"], (1, 2, True)),
        ((None, 0.1), ["mark-strong", "mark"], (0, 1, True)),
        ((0.02, 0.5), ["mark-strong", "mark-strong"], (0.301, 1.699, True)),
        ((0.0, 1e-9), ["mark", "mark"], (0, 0, True)),
    ],
)
def test_the_kept_range_is_dark_under_a_brush(
    kept: tuple[float | None, float | None], css: list[str], place: tuple[float, float, bool]
) -> None:
    drawn = density_chart(TENTHS, [3, 1], None, "linear", kept, _link)
    assert [mark.css for mark in drawn.chart.marks] == css
    assert (drawn.brush.low, drawn.brush.high, drawn.brush.is_set) == place
    assert (drawn.chart.brush is not None) == place[2]


def test_the_brush_counts_what_a_range_would_list() -> None:
    drawn: DensityChart = density_chart(TENTHS, [40, 10], [5, 0], "linear", OPEN, _link)
    assert (drawn.brush.edges, drawn.brush.counts) == (TENTHS, [5, 0])


def test_log_counts_keep_the_order() -> None:
    drawn = density_chart(TENTHS, [1000, 1], None, "log", OPEN, _link)
    high, low = (float(mark.height.rstrip("%")) for mark in drawn.chart.marks)
    assert 3 < low < high == 100


def _link(low: str, high: str) -> str:
    return f"{low}|{high}"
