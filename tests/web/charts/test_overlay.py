"""Several histograms over one axis: equal areas on the absolute one, equal widths on the other."""

import numpy as np
import pytest

from app.web.charts.overlay import Outline, overlay

WIDE = Outline("wide", [1, 3], 8.0)
NARROW = Outline("narrow", [2, 2], 2.0)


def _points(points: str) -> np.ndarray:
    return np.array([[float(n) for n in point.split(",")] for point in points.split()])


def test_over_the_own_maximum_every_line_is_as_wide_as_the_plot() -> None:
    chart = overlay([WIDE, NARROW], "share", "linear")
    for line in chart.lines:
        points = _points(line.points)
        assert (points[0].tolist(), points[-1].tolist()) == ([0, 100], [100, 100])
    heights = 100 - _points(chart.lines[0].points)[1:-1, 1]
    assert heights[-1] == pytest.approx(3 * heights[0], rel=1e-3)
    assert chart.x_ticks[-1].label == "100%"


def test_on_the_absolute_axis_areas_are_equal() -> None:
    chart = overlay([WIDE, NARROW], "absolute", "linear")
    areas = []
    for line in chart.lines:
        points = _points(line.points)
        areas.append(float(np.trapezoid(100 - points[:, 1], points[:, 0])))
    assert areas[0] == pytest.approx(areas[1], rel=1e-3)
    assert _points(chart.lines[1].points)[-1, 0] == 25, "a quarter of the wide one's range"
    assert chart.x_ticks[-1].label == "8"


def test_on_a_log_scale_empty_bins_lie_on_the_floor() -> None:
    chart = overlay([Outline("one", [90, 0, 10], 3.0)], "share", "log")
    points = _points(chart.lines[0].points)
    assert points[3, 1] == points[4, 1] == 100
    assert [tick.label for tick in chart.y_ticks] == ["10%", "100%"]


def test_lines_have_a_stroke_of_their_own() -> None:
    chart = overlay([WIDE, NARROW, WIDE, NARROW], "share", "linear")
    assert [line.css for line in chart.lines] == [f"series-{i}" for i in (1, 2, 3, 4)]
