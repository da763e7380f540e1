"""Colour steps and axes: where borders fall, what zero and nothing look like."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.charts.scales import (
    effect_class,
    heat_class,
    linear_ticks,
    log_height,
    log_ticks,
    number_label,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, ""), (-1.0, ""), (math.nan, ""), (1e-9, "heat-0"), (1.0, "heat-0"), (1.01, "heat-1"),
     (5.0, "heat-4"), (9.01, "heat-9"), (10.0, "heat-9"), (11.0, "heat-9")],
)  # fmt: skip
def test_heat_has_ten_steps_and_a_border_belongs_to_the_lower(value: float, expected: str) -> None:
    assert heat_class(value, 10.0) == expected


def test_heat_of_a_feature_that_never_fires_is_nothing() -> None:
    assert heat_class(1.0, 0.0) == ""


@pytest.mark.parametrize(
    ("share", "expected"),
    [(None, ""), (math.nan, ""), (0.0, ""), (0.049, ""), (-0.05, "effect-n1"), (0.19, "effect-p1"),
     (-0.2, "effect-n2"), (-0.5, "effect-n3"), (-0.79, "effect-n4"), (-1.0, "effect-n5"),
     (3.0, "effect-p5")],
)  # fmt: skip
def test_effects_have_five_steps_each_way_and_none_under_five_percent(
    share: float | None, expected: str
) -> None:
    assert effect_class(share) == expected


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_round_ordered_and_inside(low: float, span: float) -> None:
    ticks = linear_ticks(low, low + span)
    places = [tick.at for tick in ticks]
    assert places == sorted(places)
    assert all(-1e-6 <= at <= 100 + 1e-6 for at in places)
    assert 1 <= len(ticks) <= 11


def test_ticks_of_a_usual_axis() -> None:
    assert [(tick.at, tick.label) for tick in linear_ticks(0, 8)] == [
        (0, "0"), (25, "2"), (50, "4"), (75, "6"), (100, "8"),
    ]  # fmt: skip
    assert [tick.label for tick in linear_ticks(-1, 0.5, 3)] == ["−1.0", "−0.5", "0.0", "0.5"]


def test_an_axis_without_length_has_one_tick() -> None:
    assert [tick.label for tick in linear_ticks(3, 3)] == ["3"]


@pytest.mark.parametrize(
    ("value", "step", "expected"),
    [
        (1200, 400, "1,200"),
        (0.25, 0.25, "0.25"),
        (-2, 1, "−2"),
        (-0.0, 0.5, "0.0"),
        (5, 2.5, "5.0"),
    ],
)
def test_a_tick_has_the_decimals_of_its_step(value: float, step: float, expected: str) -> None:
    assert number_label(value, step) == expected


def test_one_is_seen_on_a_log_axis_and_zero_is_not() -> None:
    assert log_height(0, 1_000) == 0
    assert 0 < log_height(1, 1_000) < log_height(10, 1_000) < log_height(1_000, 1_000) == 100
    assert [tick.label for tick in log_ticks(2_500)] == ["1", "10", "100", "1,000"]
    assert log_ticks(1)[0].label == "1"
