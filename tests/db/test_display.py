"""What is shown for tokens: visible, joined, and bounded, however hostile the text."""

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.display import CONTINUATION, display, join_bytes, shorten


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (" the", "·the"),
        ("\n\n", "↵↵"),
        ("\t\r", "→␍"),
        ("\x00\x1b[2J\x7f", "␀␛[2J␡"),
        ("\x85", "U+0085"),
        ("\u202egnp.exe", "U+202Egnp.exe"),
        ("a\u200bb\u200d\ufeff", "aU+200BbU+200DU+FEFF"),
        ("\u00a0\u2003\u3164", "U+00A0U+2003U+3164"),
        ("\u0301e\u0301", "◌\u0301e\u0301"),
        ("<b>&amp;</b>", "<b>&amp;</b>"),
        ("שלום", "שלום"),
        ("né 猫 🐈", "né·猫·🐈"),
        (r"\xe2\x80", r"\xe2\x80"),
        ("", ""),
    ],
)
def test_display_shows_what_would_be_invisible(token: str, shown: str) -> None:
    assert display(token) == shown


@given(st.text())
def test_display_lets_nothing_invisible_through(token: str) -> None:
    shown = display(token)
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"} for c in shown)
    assert not unicodedata.category(shown[:1] or "x").startswith("M")


@pytest.mark.parametrize("token", ["\U000e0001" * 100_000, "🐈" * 100_000, "\n" * 100_000])
def test_a_hostile_token_is_cut_and_counted(token: str) -> None:
    shown = display(token)
    assert len(shown.encode()) < 10_000
    assert shown.endswith("…(+99,000)")
    assert all(
        len(text.encode()) < 10_000 for text in join_bytes([token.encode(), b"\xff" * 99_999])
    )


def test_shorten_keeps_what_fits() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "abc…(+1)"


def test_a_character_over_several_tokens_is_shown_at_the_first() -> None:
    cat = "🐈".encode()
    assert join_bytes([b" a", cat[:1], cat[1:3], cat[3:] + b" b"]) == ["·a", "🐈", "◂", "◂·b"]
    assert join_bytes([b"x" + cat[:2], b"", cat[2:]]) == ["x🐈", "", "◂"]


def test_bytes_of_no_character_are_escaped() -> None:
    assert join_bytes([b"\xe2\x80", b"a"]) == [r"\xe2\x80", "a"]
    assert join_bytes([b"\x80", b"\xff\xc3", b"\xa9"]) == [r"\x80", r"\xffé", "◂"]
    assert join_bytes([b"\xf0\x9f"]) == [r"\xf0\x9f"]
    assert join_bytes([b"\xed\xa0", b"\x80"]) == [r"\xed\xa0", r"\x80"]  # half of a UTF-16 pair


_PLAIN = st.characters(exclude_categories=["M", "Cs"], exclude_characters=[CONTINUATION])


@given(st.text(_PLAIN), st.lists(st.integers(0, 80)))
def test_any_cut_of_a_text_shows_the_same_text(text: str, cuts: list[int]) -> None:
    data = text.encode()
    borders = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    tokens = [data[a:b] for a, b in pairwise(borders)]
    shown = join_bytes(tokens)
    assert len(shown) == len(tokens)
    assert all(shown)
    assert "".join(shown).replace(CONTINUATION, "") == display(text)


@given(st.lists(st.binary(max_size=6)))
def test_no_bytes_break_it(tokens: list[bytes]) -> None:
    shown = join_bytes(tokens)
    assert [bool(text) for text in shown] == [bool(token) for token in tokens]
