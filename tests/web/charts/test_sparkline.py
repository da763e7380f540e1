"""What a list row draws from its stored bytes."""

from app.web.charts.sparkline import sparkline_path, strip_parts, strip_percents


def test_pairs_of_bins_become_one_bar() -> None:
    path = sparkline_path(bytes([0, 0, 255, 10, 1, 0]))
    assert path == "M25 20v-20h2.4V20zM50 20v-0.7h2.4V20z"
    assert sparkline_path(bytes(50)) == ""
    assert sparkline_path(b"") == ""


def test_strips_are_signed_bytes() -> None:
    assert strip_percents(bytes([0x80, 0xFF, 0, 100])) == [-128, -1, 0, 100]


def test_cells_of_one_colour_share_a_path() -> None:
    parts = {part.css: part.path for part in strip_parts([-90, -3, -95, 30, -128])}
    assert parts == {
        "effect-n5": "M0 0h5.5v12h-5.5zM12 0h5.5v12h-5.5z",
        "effect-p2": "M18 0h5.5v12h-5.5z",
        "unmeasured": "M24 12l5.5-12",
    }
