"""Lines of the graph meet the rows that the page lays out, and are as wide as their share."""

import re

import pytest

from app.web.pages.connections.graph import COLUMN, GAP, ROW, Weight, draw_graph

COLUMNS = [[("low", 1), ("low", 2), ("low", 3)], [("mid", 7)], [("top", 4), ("top", 5)]]


def ends(path: str) -> tuple[float, float, float, float]:
    numbers = [float(number) for number in re.findall(r"[\d.]+", path)]
    return (*numbers[:2], *numbers[-2:])  # pyright: ignore[reportReturnType]


def test_columns_are_centred_in_the_longest() -> None:
    own = [Weight(("low", 1), ("mid", 7), 0.4, True), Weight(("mid", 7), ("top", 5), -0.1, True)]
    drawing = draw_graph(COLUMNS, own)
    assert (drawing.width, drawing.height) == (3 * COLUMN + 2 * GAP, 3 * ROW)
    by_ends = {edge.ends: edge for edge in drawing.edges}
    first, second = by_ends["low/1 mid/7"], by_ends["mid/7 top/5"]
    assert ends(first.path) == (COLUMN, 0.5 * ROW, COLUMN + GAP, 1.5 * ROW)
    assert ends(second.path) == (2 * COLUMN + GAP, 1.5 * ROW, 2 * (COLUMN + GAP), 2 * ROW)
    assert (first.css, second.css) == ("raises", "lowers")
    assert float(first.width) == 7
    assert float(second.width) == pytest.approx(0.75 + 6.25 / 4, abs=0.01)


def test_lines_aside_are_faint_and_behind() -> None:
    """Also those that pass the column in the middle."""
    aside = Weight(("low", 2), ("top", 4), 0.9, False)
    own = Weight(("mid", 7), ("top", 4), 0.1, True)
    drawing = draw_graph(COLUMNS, [own, aside])
    assert [edge.css for edge in drawing.edges] == ["raises aside", "raises"]
    assert ends(drawing.edges[0].path) == (COLUMN, 1.5 * ROW, 2 * (COLUMN + GAP), ROW)


def test_one_alone_has_no_lines() -> None:
    drawing = draw_graph([[("mid", 7)]], [])
    assert (drawing.width, drawing.height, drawing.edges) == (COLUMN, ROW, [])
