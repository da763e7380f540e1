"""Axes: borders, ticks and places of values."""

import numpy as np
import pytest

from app.web.charts.axes import make_axis
from app.web.charts.scatter import N_LEVELS, draw_cells, short_numbers


def _ticks(values: list[float], **options: bool) -> list[str]:
    return [tick.label for tick in make_axis(np.array(values), **options).ticks]


def test_linear_axes_end_at_round_numbers() -> None:
    axis = make_axis(np.array([0.7, 3.0, 9.2, np.nan]))
    assert (axis.low, axis.high, axis.log) == (0, 10, False)
    assert [tick.label for tick in axis.ticks] == ["0.0", "2.5", "5.0", "7.5", "10.0"]
    np.testing.assert_allclose(axis.places(np.array([0, 5, 10, np.nan])), [0, 0.5, 1, np.nan])
    assert make_axis(np.array([97.0, 99.0])).low >= 96


def test_shares_run_from_nothing_to_all() -> None:
    assert _ticks([0.2, 0.6], share=True) == ["0%", "25%", "50%", "75%", "100%"]
    assert _ticks([-0.7, -0.1], share=True)[0] == "−100%"
    assert _ticks([-0.7, -0.1], share=True)[-1] == "0%"
    assert make_axis(np.array([0.2, 1.4]), share=True).high > 1.4


def test_skewed_positive_values_turn_the_axis_logarithmic() -> None:
    values = np.array([1.0, 1.2, 2.0, 500.0])
    axis = make_axis(values)
    assert axis.log
    assert axis.low <= 1 and axis.high >= 500
    assert [tick.label for tick in axis.ticks] == ["1", "10", "100"]
    assert not make_axis(np.append(values, 0.0)).log
    assert not make_axis(values, log=False).log


def test_a_logarithmic_axis_leaves_out_what_is_not_positive() -> None:
    axis = make_axis(np.array([0.0, 0.0001, 0.03, np.nan]), share=True, log=True)
    places = axis.places(np.array([0.0, 0.0001, 0.001, np.nan]))
    assert np.isnan(places[[0, 3]]).all()
    assert 0 <= places[1] < places[2] < 1
    assert [tick.label for tick in axis.ticks] == ["0.01%", "0.1%", "1%"]


@pytest.mark.parametrize("values", [[], [np.nan], [3.0], [0.0], [-2.0, -2.0]])
def test_an_axis_of_nothing_or_of_one_value_has_a_length(values: list[float]) -> None:
    for log in (None, False, True):
        axis = make_axis(np.array(values, dtype=float), log=log)
        assert axis.high > axis.low
        assert axis.ticks


def test_every_value_lies_on_its_axis() -> None:
    rng = np.random.default_rng(0)
    for scale in (1e-5, 0.3, 1.0, 47.0, 1e4):
        for log in (None, True):
            values = scale * rng.lognormal(size=200)
            places = make_axis(values, log=log).places(values)
            assert places.min() >= -1e-9 and places.max() <= 1 + 1e-9


def test_squares_hold_exactly_the_points_and_kept_ones_lie_on_top() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.random(500) ** 2, rng.random(500)
    x[:3], y[0] = [np.nan, 0.0, 1.0], 0.5
    kept = x > 0.5
    picture = draw_cells(x, y, kept, 12, 7)
    kinds = [cells.css.split()[0] for cells in picture.cells]
    assert kinds == sorted(kinds, reverse=True)
    for kind, chosen in (("pale", ~kept), ("dark", kept)):
        here = chosen & np.isfinite(x)
        expected = {
            (min(int(a * 12), 11), min(int((1 - b) * 7), 6))
            for a, b in zip(x[here], y[here], strict=True)
        }
        drawn = [c for c in picture.cells if c.css.startswith(kind)]
        squares = [square for cells in drawn for square in _squares(cells.path)]
        assert len(squares) == len(set(squares))
        assert set(squares) == expected


def test_fuller_squares_are_stronger() -> None:
    x = np.array([0.1] * 100 + [0.6] * 10 + [0.9])
    picture = draw_cells(x, np.full(111, 0.5), np.ones(111, bool), 4, 1)
    shades = {_squares(cells.path)[0][0]: cells.css for cells in picture.cells}
    assert shades == {0: f"dark shade-{N_LEVELS}", 2: "dark shade-3", 3: "dark shade-1"}


def _squares(path: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for part in path.strip("M").split("M"):
        place, _, rest = part.partition("h")
        column, row = map(int, place.split())
        found += [(column + i, row) for i in range(int(rest.partition("v")[0]))]
    return found


def test_numbers_keep_four_digits() -> None:
    values = np.array([0.000123456, -7.00049, 12345.6, 0.0, np.nan, np.inf, 99995.0])
    assert short_numbers(values) == [0.0001235, -7.0, 12350.0, 0.0, None, None, 100000.0]


def test_long_labels_stand_apart() -> None:
    labels = _ticks([0.99988, 1.0001])
    assert len(labels) >= 2 and sum(len(label) + 2 for label in labels) <= 70
    assert len(_ticks([0.0, 7.0])) == 8, "short ones all stand there"
