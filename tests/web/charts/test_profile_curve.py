"""The curve over a heat map: points over the middles of columns, a band behind them."""

import math

import numpy as np

from app.web.charts.columns import Series
from app.web.charts.profile import Spread, profile_curve


def test_points_stand_over_the_middle_of_their_columns() -> None:
    chart = profile_curve(
        [Series("mean", "line", [0.1, math.nan, -1.0, 0.0])], None, label="", y_name=""
    )
    assert chart.lines[0].points == "12.5,0 62.5,100 87.5,9.091"
    assert chart.areas == []


def test_the_band_goes_along_its_upper_border_and_back() -> None:
    spread = Spread("half", np.array([-1.0, -0.5]), np.array([0.1, np.nan]))
    chart = profile_curve([Series("mean", "line", [0.0, 0.0])], spread, label="", y_name="")
    assert chart.areas[0].points == "25,0 75,54.55 25,100"


def test_values_outside_the_usual_axis_widen_it() -> None:
    chart = profile_curve([Series("mean", "line", [1.0, -2.0])], None, label="", y_name="")
    assert chart.lines[0].points == "25,0 75,100"
