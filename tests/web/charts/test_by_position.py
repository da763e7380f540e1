"""Norms by position: lines over the middle of each position, position 0 a bar of its own."""

import numpy as np
import pytest

from app.web.charts.by_position import position_chart
from app.web.charts.columns import Series

MEAN = [None, 10.0, 10.0, 100.0]


def points(text: str) -> list[tuple[float, float]]:
    found = []
    for pair in text.split():
        x, y = pair.split(",")
        found.append((float(x), float(y)))
    return found


def test_lines_leave_out_what_is_missing_and_are_logarithmic() -> None:
    chart = position_chart(
        [Series("mean", "", MEAN)], (1000.0, 1000.0), kind="s", label="L", y_name="‖x‖"
    )
    (line,) = chart.lines
    found = points(line.points)
    assert [x for x, _ in found] == [37.5, 62.5, 87.5]
    y = [y for _, y in found]
    assert y[0] == y[1]
    (mark,) = chart.marks
    top = float(mark.y.removesuffix("%"))
    assert y[0] - y[2] == pytest.approx(y[2] - top, rel=1e-2)  # 10, 100, 1000
    assert mark.label == "position 0: 1,000 to 1,000"


def test_a_level_goes_across_and_is_left_out_where_there_is_none() -> None:
    series = [Series("mean", "", MEAN)]
    chart = position_chart(series, None, kind="s", label="L", y_name="y", level=("far", 50.0))
    assert [line.name for line in chart.lines] == ["mean", "far"]
    (left, right) = points(chart.lines[1].points)
    assert (left[0], right[0]) == (0, 100)
    assert left[1] == right[1]
    chart = position_chart(series, None, kind="s", label="L", y_name="y", level=("far", np.inf))
    assert [line.name for line in chart.lines] == ["mean"]
