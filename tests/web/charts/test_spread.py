"""Histograms of tokens: bars where their borders are, heights that are shares or logarithms."""

import numpy as np
import pytest

from app.web.charts.axes import make_axis
from app.web.charts.scales import log_height
from app.web.charts.spread import At, Bins, count_bins, spread_chart

EDGES = np.array([1.0, 2.0, 3.0, 4.0])
BARS = Bins("tokens", EDGES, np.array([10, 0, 30]), 50)


def number(place: str) -> float:
    return float(place.removesuffix("%"))


def test_heights_are_shares_of_all_tokens_also_of_those_beyond() -> None:
    chart = spread_chart(BARS, kind="spread", label="L", x_name="x")
    first, last = chart.marks
    assert number(last.height) / number(first.height) == pytest.approx(3, rel=1e-3)
    assert number(last.height) == pytest.approx(100 / 1.05, rel=1e-3)
    assert last.label == "3.00 – 4.00: 30 tokens (60%)"
    axis = make_axis(EDGES)
    middle = number(last.x) + number(last.width) / 2
    assert middle == pytest.approx(100 * float(axis.places(np.array([3.5]))[0]), rel=1e-3)


def test_single_tokens_are_seen_on_a_log_scale() -> None:
    bars = Bins("tokens", np.geomspace(1, 1000, 4), np.array([10_000, 0, 1]), 10_001)
    chart = spread_chart(bars, kind="s", label="L", x_name="x", log=True, log_counts=True)
    assert chart.y_name == "tokens"
    assert number(chart.marks[1].height) == pytest.approx(log_height(1, 10_000), rel=1e-3)
    assert {tick.label for tick in chart.x_ticks} >= {"1", "10", "100", "1,000"}


def test_values_are_marked_where_they_lie() -> None:
    at = [At("middle", 2.5), At("nowhere", np.inf)]
    chart = spread_chart(BARS, kind="s", label="L", x_name="x", at=at)
    (line,) = chart.lines
    place = 100 * float(make_axis(np.append(EDGES, 2.5)).places(np.array([2.5]))[0])
    assert line.points == f"{place:.4g},0 {place:.4g},100"
    assert line.name == "middle"


def test_an_outline_encloses_the_area_of_the_bars() -> None:
    """Half as wide bins hold half as many tokens each: the outline is as high as the bars."""
    bars = Bins("x", np.array([0.0, 2.0, 4.0]), np.array([50, 50]), 100)
    other = Bins("x̂", np.linspace(0, 4, 5), np.array([25, 25, 25, 25]), 100)
    chart = spread_chart(bars, kind="s", label="L", x_name="x", outline=other)
    (line,) = chart.lines
    tops = {float(pair.split(",")[1]) for pair in line.points.split()[1:-1]}
    assert len(tops) == 1
    assert tops.pop() == pytest.approx(number(chart.marks[0].y), rel=1e-3)


def test_counts_of_whole_numbers() -> None:
    few = count_bins("tokens", np.array([3, 0, 5]))
    assert few.edges.tolist() == [-0.5, 0.5, 1.5, 2.5]
    assert (few.n, few.labels) == (8, ["0", "1", "2"])
    counts = np.arange(131)
    many = count_bins("tokens", counts, most=50)
    assert many.counts.size <= 50
    assert many.counts.sum() == counts.sum() == many.n
    assert many.labels[1] == "3 to 5"
    assert many.counts[1] == 3 + 4 + 5


def test_nothing_has_no_bars() -> None:
    chart = spread_chart(
        Bins("tokens", np.zeros(0), np.zeros(0, np.int64), 0), kind="s", label="L", x_name="x"
    )
    assert chart.marks == []
