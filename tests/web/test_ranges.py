"""Range filters as people write them."""

import pytest

from app.web.ranges import parse_indices, parse_range, range_words


@pytest.mark.parametrize(
    ("text", "borders"),
    [
        ("0.1%..1%", (0.001, 0.01)), ("0.5..", (0.5, None)), ("..3", (None, 3.0)),
        ("2", (2.0, None)), ("", (None, None)), ("..", (None, None)), ("..-50%", (None, -0.5)),
        (" 1e-4 .. 2 ", (1e-4, 2.0)), ("−3..−1", (-3.0, -1.0)),
    ],
)  # fmt: skip
def test_borders(text: str, borders: tuple[float | None, float | None]) -> None:
    low, high = parse_range(text)
    assert (low, high) == pytest.approx(borders)


@pytest.mark.parametrize("text", ["x", "1..y", "nan", "inf..", "1%%", "1-2"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a range: write 0\.1%\.\.1%"):
        parse_range(text)


def test_borders_the_wrong_way_round() -> None:
    with pytest.raises(ValueError, match="holds nothing"):
        parse_range("2..1")


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("7", ((7, 7),)), ("7, #12,100..199", ((7, 7), (12, 12), (100, 199))),
        ("..3", ((0, 3),)), ("5..", ((5, 2**31),)),
    ],
)  # fmt: skip
def test_numbers_of_features(text: str, ranges: tuple[tuple[int, int], ...]) -> None:
    assert parse_indices(text) == ranges


@pytest.mark.parametrize("text", ["x", "7,", "1.5", "-3", "9..2", "..", "1..2..3", "²"])
def test_what_names_no_features(text: str) -> None:
    with pytest.raises(ValueError, match=r"write numbers and ranges between commas"):
        parse_indices(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.1%..1%", "0.1% – 1%"), ("0.5..", "≥ 0.5"), ("2", "≥ 2"), ("..3", "≤ 3"),
        ("4..4", "4"), ("..", "any"),
    ],
)  # fmt: skip
def test_in_words(text: str, words: str) -> None:
    assert range_words(text) == words
