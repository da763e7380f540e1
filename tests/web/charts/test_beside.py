"""A histogram beside chance: every value is in one bin, and shares are of each population."""

from itertools import pairwise

import numpy as np
import pytest

from app.web.charts.beside import Population, beside, edges_of


def drawn(own: np.ndarray, *chance: np.ndarray, **options):
    bars = Population("features", own)
    lines = [Population(f"chance {i}", values) for i, values in enumerate(chance)]
    edges = edges_of([bars, *lines], 10)
    words = {"kind": "k", "label": "l", "x_name": "x", "y_name": "y", "noun": "features"}
    return edges, beside(bars, lines, edges, **words, **options)


@pytest.mark.parametrize("seed", range(5))
def test_every_value_is_in_one_bin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    own = rng.normal(rng.uniform(-3, 3), rng.choice([0.01, 1, 40]), 100)
    own[3] = np.nan
    edges, found = drawn(own)
    assert sum(found.brush.counts) == 99
    assert 10 <= len(edges) - 1 <= 30
    assert all(float(low) < float(high) for low, high in pairwise(edges))


def test_borders_belong_to_the_bin_below_them_and_the_first_to_the_first() -> None:
    edges, found = drawn(np.array([0.0, 0.5, 0.5, 1.0]))
    assert edges[0] == "0" and edges[-1] == "1"
    counts = dict(zip(edges[1:], found.brush.counts, strict=True))
    assert counts["0.5"] == 2
    assert counts["1"] == 1
    assert found.brush.counts[0] == 1


def test_outlines_are_shares_of_their_own() -> None:
    _, found = drawn(np.array([0.1, 0.9]), np.array([0.1, 0.1, 0.1, 0.9]))
    assert found.names == ["features", "chance 0"]
    assert {tuple(row.shares) for row in found.rows} == {("50%", "75%"), ("50%", "25%")}
    (line,) = found.chart.lines
    assert line.name == "chance 0"
    assert min(float(point.split(",")[1]) for point in line.points.split(" ")) < 5


def test_bars_lead_to_their_own_range() -> None:
    edges, found = drawn(
        np.array([0.0, 0.42, 1.0]), link=lambda low, high: f"{low}..{high}", kept=(0.4, 0.5)
    )
    assert len(found.chart.links) == 3
    low, high = found.chart.links[1].href.split("..")
    assert float(low) < 0.42 <= float(high)
    assert found.brush.is_set
    assert edges[round(found.brush.low)] == "0.4"
    assert [mark.css for mark in found.chart.marks] == ["mark", "mark-strong", "mark"]


def test_one_value_alone_is_drawn() -> None:
    _, found = drawn(np.full(4, 0.25))
    assert sum(found.brush.counts) == 4
