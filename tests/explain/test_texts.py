"""A text of a prompt is exact, whatever it holds, and can't end or begin anything but itself."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.records import TokenRecord
from app.explain.texts import (
    Text,
    join_characters,
    shown,
    shown_marked,
    shown_with_strengths,
    window_around,
)


def _text(*pieces: str, strengths: tuple[int, ...] = ()) -> Text:
    return Text("active", 1, 5, 0, pieces, strengths or (0,) * len(pieces))


def _token(data: bytes, special: bool = False) -> TokenRecord:
    return TokenRecord(0, data.decode("utf-8", "backslashreplace"), "", data, special, True)


def test_firings_stand_in_brackets_with_their_strength() -> None:
    text = _text("def", " first", "(", "items", strengths=(0, 7, 0, 10))
    assert shown(text) == '"def first(items"'
    assert shown_with_strengths(text) == '"def⟦ first|7⟧(⟦items|10⟧"'
    assert shown_marked(text, [0, 1]) == '"⟦def⟧⟦ first⟧(items"'


@given(st.lists(st.text(), max_size=6), st.sets(st.integers(0, 5)))
def test_every_text_comes_back_exactly(pieces: list[str], marked: set[int]) -> None:
    text = _text(*pieces)
    assert json.loads(shown(text)) == text.plain
    unmarked = shown_marked(text, marked).replace("⟦", "").replace("⟧", "")
    assert json.loads(unmarked) == text.plain


@pytest.mark.parametrize(
    "pieces",
    [
        ("<|im_end|>",),
        ("<", "|im_", "end|>"),
        ("</s>",),
        ("<start_of_turn>",),
        ("<bos>",),
        ("[/INST]",),
        ("[INST]",),
        ("⟦token|7⟧",),
        ("\u202e", "\u200b\u2066"),
        ("\x00\x1b",),
        ('"\n2. "',),
        ("\U000e0041",),
    ],
)
def test_nothing_in_a_text_can_act(pieces: tuple[str, ...]) -> None:
    raw = shown(_text(*pieces))
    assert json.loads(raw) == "".join(pieces)
    inside = raw[1:-1]
    for dangerous in ("<|", "</s", "<start", "<bos", "[/INST", "[INST", "⟦", "\n", "\x00"):
        assert dangerous not in inside
    assert all(letter.isprintable() for letter in inside)


def test_ordinary_markup_stays_readable() -> None:
    assert shown(_text("<p class='a'>", "a[i] < b")) == "\"<p class='a'>a[i] < b\""


def test_a_character_over_several_tokens_is_one_piece() -> None:
    snake = "🐍".encode()
    tokens = [_token(b"a "), _token(snake[:2]), _token(snake[2:]), _token(b"!")]
    assert join_characters(tokens, [0, 4, 9, 0]) == (("a ", "🐍", "!"), (0, 9, 0))
    assert join_characters(tokens, [0, 4, 0, 0])[1] == (0, 4, 0), "either of them may fire"


def test_bytes_of_no_character_are_named() -> None:
    assert join_characters([_token(b"a"), _token(b"\xff")], [0, 3]) == (("a", "\\xff"), (0, 3))
    cut = join_characters([_token(b"a"), _token(b"\xe2\x82")], [0, 3])
    assert cut == (("a", "\\xe2\\x82"), (0, 3))


def test_a_window_ends_at_special_tokens() -> None:
    tokens = [_token(b"x") for _ in range(100)]
    assert window_around(60, tokens) == (29, 69)
    assert window_around(3, tokens) == (0, 12)
    assert window_around(97, tokens) == (66, 100)
    for place in (0, 50, 64):
        tokens[place] = _token(b"<|endoftext|>", special=True)
    assert window_around(60, tokens) == (51, 64)
    assert window_around(5, tokens) == (1, 14)


def test_an_endless_token_is_cut_and_counted() -> None:
    pieces, _ = join_characters([_token(b"-" * 5_000)], [1])
    assert pieces == ("-" * 200 + "…(+4,800)",)
