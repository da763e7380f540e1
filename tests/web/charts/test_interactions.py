"""The triangle has a cell for every pair of 5% or more; halves lie beneath their block."""

import numpy as np

from app.web.charts.interactions import CELL, Block, block_bars, pair_map


def test_the_triangle() -> None:
    shares = np.zeros((3, 3))
    shares[0, 1] = shares[1, 0] = -0.62
    shares[0, 2] = shares[2, 0] = 0.3
    shares[1, 2] = shares[2, 1] = 0.04
    found = pair_map(["a", "<b>", "c"], shares)
    assert found is not None
    assert [(c.x, c.y, c.css) for c in found.cells] == [
        ("0", CELL, "effect-n4"),
        ("0", 2 * CELL, "effect-p2"),
    ]
    assert found.cells[0].words == "a and <b>: −62%"
    assert "<title>a and &lt;b&gt;: −62%</title>" in found.markup
    assert [label.text for label in found.labels] == ["a", "<b>", "c"]
    assert found.words.endswith("2 of 5% or more")
    assert pair_map(["a"], np.zeros((1, 1))) is None


def test_the_bar() -> None:
    blocks = [
        Block(8, 16, -0.9, -0.1, True),
        Block(8, 12, -0.02, 0.0, False),
        Block(12, 16, -0.7, 0.0, True),
        Block(12, 14, 0.0, 0.0, False),
        Block(14, 16, 0.1, 0.1, False),
    ]
    found = block_bars(blocks)
    assert found is not None
    assert [cell.y // CELL for cell in found.cells] == [0, 1, 1, 2, 2]
    assert [cell.x for cell in found.cells] == ["0%", "0%", "50%", "50%", "75%"]
    assert [cell.width for cell in found.cells] == ["100%", "50%", "50%", "25%", "25%"]
    assert found.cells[0].css == "effect-n5 joint"
    assert found.cells[1].css == ""
    assert found.cells[2].words == "−4 … −1: −70%, its tokens alone 0%"
    assert found.height == 3 * CELL
    assert block_bars([]) is None
