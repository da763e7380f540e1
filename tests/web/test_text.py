"""Numbers as pages write them."""

import pytest

from app.web import text

NAN = float("nan")


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.8312, "83%"), (0.0031, "0.31%"), (0.000012, "0.0012%"), (0.0, "0%"), (1.0, "100%"),
        (0.9999, "99.9%"), (0.995, "99.5%"), (0.9976, "99.8%"), (-0.9999, "−99.9%"),
        (-0.5, "−50%"), (1.2, "120%"), (None, "–"), (NAN, "–"),
    ],
)  # fmt: skip
def test_percent(share: float | None, shown: str) -> None:
    assert text.percent(share) == shown


def test_percent_with_more_digits() -> None:
    assert text.percent(0.9565, 3) == "95.7%"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (9.42, "9.42"), (0.8743, "0.874"), (12345.6, "12,346"), (-3.1, "−3.10"), (0.0, "0"),
        (1e-5, "0.0000100"), (1e-9, "1.00e−09"), (float("inf"), "∞"), (None, "–"),
    ],
)  # fmt: skip
def test_number(value: float | None, shown: str) -> None:
    assert text.number(value) == shown


def test_signs_and_counts() -> None:
    assert [text.signed(x) for x in (3.91, -3.1, 0.0, None)] == ["+3.91", "−3.10", "0", "–"]
    assert [text.signed_percent(x) for x in (0.25, -0.624)] == ["+25%", "−62%"]
    assert [text.count(x) for x in (16248, -2, None)] == ["16,248", "−2", "–"]
    assert [text.compact(x) for x in (999, 12_345, 5_242_880, 3e9)] == [
        "999", "12\u202fk", "5.2\u202fM", "3.0\u202fG",
    ]  # fmt: skip
