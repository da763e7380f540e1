"""Columns and curves: what is missing is left out, what is shown is in proportion."""

import math

from app.web.charts.columns import Series, bars_over, columns, curves
from app.web.charts.scales import Tick


def test_columns_are_shares_on_an_axis_to_one_hundred_percent() -> None:
    chart = columns(
        ["1", "2", "3+"], [0.75, 0.25, 0.0], kind="runs", label="Runs", x_name="length",
        y_name="share", labels=["a", "b", "c"],
    )  # fmt: skip
    assert [(mark.height, mark.label) for mark in chart.marks] == [("75%", "a"), ("25%", "b")]
    assert [tick.label for tick in chart.x_ticks] == ["1", "2", "3+"]
    assert [(tick.at, tick.label) for tick in chart.y_ticks] == [
        (100, "0%"), (50, "50%"), (0, "100%"),
    ]  # fmt: skip


def test_curves_leave_out_what_is_not_a_number() -> None:
    chart = curves(
        [Tick(0, "0")], [Series("one", "line", [0.0, None, math.nan, 1.0])], kind="curve",
        label="Curve", x_name="x", y_name="y", high=1.0, as_percent=True,
    )  # fmt: skip
    assert chart.lines[0].points == "0,100 100,0"
    assert chart.y_ticks[0].label.endswith("%")


def test_curves_stay_inside_their_axis() -> None:
    chart = curves(
        [], [Series("one", "line", [-9.0, 9.0])], kind="curve", label="", x_name="", y_name="",
        low=-1.0, high=1.0,
    )  # fmt: skip
    assert chart.lines[0].points == "0,100 100,0"


def test_a_log_axis_has_whole_powers_around_one_and_zero_on_its_floor() -> None:
    chart = curves(
        [], [Series("lift", "line", [100.0, 1.0, 0.0])], kind="lift", label="", x_name="",
        y_name="", log=True,
    )  # fmt: skip
    assert [tick.label for tick in chart.y_ticks] == ["0.1", "1", "10", "100"]
    assert chart.lines[0].points == "0,0 50,66.67 100,100"


def test_an_empty_curve_is_an_empty_line() -> None:
    chart = curves(
        [], [Series("none", "line", [math.nan])], kind="c", label="", x_name="", y_name=""
    )
    assert chart.lines[0].points == ""


def test_bars_over_places_reach_the_highest() -> None:
    chart = bars_over(
        [0.01, None, 0.02], [Tick(0, "0")], kind="positions", label="", x_name="", y_name="",
        labels=["a", "b", "c"],
    )  # fmt: skip
    assert [(mark.height, mark.label) for mark in chart.marks] == [("50%", "a"), ("100%", "c")]
