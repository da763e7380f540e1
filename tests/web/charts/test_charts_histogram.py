"""Histograms: every bar says its count, and Plotly accepts the figure."""

import json

import plotly.graph_objects as go
import pytest

from app.web.charts.histogram import Named, Scale, histogram
from app.web.charts.plot import Chart


def _histogram(
    counts: list[int], scale: Scale = "linear", heat: bool = True, top: float = 10.0
) -> Chart:
    edges = [top * i / len(counts) for i in range(len(counts) + 1)]
    return histogram(
        edges, counts, kind="activation", label="Histogram", x_name="activation", y_name="tokens",
        noun="tokens", scale=scale, heat=heat,
    )  # fmt: skip


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("heat", [True, False])
def test_plotly_accepts_the_figure(scale: Scale, heat: bool) -> None:
    figure = _histogram([4, 0, 1, 900], scale, heat).figure
    assert figure is not None
    checked = go.Figure(json.loads(json.dumps(figure))).to_dict()
    assert checked["layout"]["yaxis"]["type"] == scale
    [trace] = checked["data"]
    assert (trace["x0"], trace["dx"]) == (1.25, 2.5)
    assert list(trace["y"]) == [4, 0, 1, 900]


def test_bars_are_as_high_as_their_counts() -> None:
    chart = _histogram([4, 0, 1, 8])
    assert [mark.height for mark in chart.marks] == ["50%", "12.5%", "100%"]
    assert [mark.y for mark in chart.marks] == ["50%", "87.5%", "0%"]
    assert [mark.label for mark in chart.marks] == [
        "0 – 2.5: 4 tokens (30.8%)", "5 – 7.5: 1 tokens (7.7%)", "7.5 – 10: 8 tokens (61.5%)",
    ]  # fmt: skip


def test_on_a_log_axis_a_count_of_one_stays_visible() -> None:
    heights = [float(mark.height[:-1]) for mark in _histogram([1, 10, 10_000], "log").marks]
    assert 3 < heights[0] < heights[1] < heights[2] == 100


def test_bars_have_the_colours_of_the_text() -> None:
    chart = _histogram([1] * 10)
    assert [mark.css for mark in chart.marks] == [f"heat-{i}" for i in range(10)]
    assert chart.figure is not None
    assert chart.figure["data"][0]["meta"] == {"noun": "tokens", "heat": list(range(10))}


def test_the_axis_ends_with_the_largest_value() -> None:
    assert _histogram([1, 2], top=9.42).x_ticks[-1].label == "9.42"
    assert _histogram([1, 2], top=9.42).x_ticks[-1].at == 100


def test_bars_lead_somewhere_and_the_chosen_ones_are_marked() -> None:
    chart = histogram(
        [0.0, 1.0, 2.0, 3.0], [4, 0, 8], kind="activation", label="", x_name="", y_name="",
        noun="tokens", links=["/a", "/b", "/c"], chosen=(2, 3),
    )  # fmt: skip
    assert [(link.href, link.current) for link in chart.links] == [("/a", False), ("/c", True)]
    assert [link.label for link in chart.links] == [
        "0 – 1: 4 tokens (33.3%)", "2 – 3: 8 tokens (66.7%)",
    ]  # fmt: skip
    assert chart.brush is not None
    assert (chart.brush.x, chart.brush.width) == ("66.67%", "33.33%")
    assert chart.separate == [], "links speak for the bars, so the bars are one path"
    assert chart.joined == [("", "M1.667 100V50h30V100zM68.33 100V0h30V100z")]


def test_named_values_are_ticks_under_the_axis_and_names_in_the_figure() -> None:
    chart = histogram(
        [-2.0, 0.0, 2.0], [5, 5], kind="logits", label="", x_name="", y_name="", noun="tokens",
        named=[Named(1.0, "a-<b>"), Named(-9.0, "far")],
    )  # fmt: skip
    assert [mark.x for mark in chart.marks if mark.css == "rug"] == ["74.8%", "-0.2%"]
    assert dict(chart.joined)["rug"] == "M74.8 100V93h0.4V100zM-0.2 100V93h0.4V100z"
    assert chart.figure is not None
    go.Figure(json.loads(json.dumps(chart.figure)))
    rug = chart.figure["data"][1]
    assert rug["x"] == [1.0, -9.0]
    assert rug["text"] == ["a-&lt;b&gt; +1", "far −9"]


def test_an_empty_histogram_is_an_empty_chart() -> None:
    chart = _histogram([0, 0])
    assert chart.marks == []
    assert chart.figure is not None


def test_edges_must_fit_counts() -> None:
    with pytest.raises(ValueError, match="2 counts need 3 edges, not 2"):
        histogram([0, 1], [1, 2], kind="", label="", x_name="", y_name="", noun="")
