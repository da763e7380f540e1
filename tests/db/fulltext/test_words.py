"""Words: the same rules for a corpus made of tokens and for what is typed."""

from app.db.fulltext.words import LONGEST_WORD, TokenWords, is_word_like, words_of
from app.db.records import TokenRecord


def _token(token_id: int, data: bytes, special: bool = False) -> TokenRecord:
    text = data.decode("utf-8", "backslashreplace")
    return TokenRecord(token_id, text, text, data, special, True)


def _placed(*pieces: bytes, special: tuple[int, ...] = ()) -> list[tuple[str, int, int]]:
    tokens = [_token(i, piece, i in special) for i, piece in enumerate(pieces)]
    placed = TokenWords(tokens).words(range(len(pieces)))
    return [(word.text, word.first, word.last) for word in placed]


def test_letters_digits_and_underscores_hold_together_signs_stand_alone() -> None:
    assert words_of("def __init__(self, x2):") == ["def", "__init__", "(", "self", ",", "x2", ")",
                                                   ":"]  # fmt: skip
    assert words_of("ÄRGER\n\tstraße") == ["ärger", "strasse"]
    assert words_of("東京へ go") == ["東", "京", "へ", "go"]
    assert words_of(" \n\0") == []
    assert [is_word_like(word) for word in ("self", "_x", "(", "")] == [True, True, False, False]


def test_endless_words_are_cut_alike() -> None:
    assert words_of("x" * 1_000) == ["x" * LONGEST_WORD]


def test_a_word_knows_the_tokens_it_lies_in() -> None:
    assert _placed(b"raise", b" Value", b"Error", b"):") == [
        ("raise", 0, 0), ("valueerror", 1, 2), (")", 3, 3), (":", 3, 3),
    ]  # fmt: skip


def test_special_tokens_are_gaps_with_a_number() -> None:
    assert _placed(b"a", b"<eos>", b"b", special=(1,)) == [("a", 0, 0), ("", 1, 1), ("b", 2, 2)]
    # so is an id the vocabulary hasn't got
    assert [word.text for word in TokenWords([_token(0, b"a")]).words([0, 9, 0])] == ["a", "", "a"]


def test_characters_spread_over_tokens_are_joined_and_placed_exactly() -> None:
    euro = "né€x".encode()
    assert _placed(euro[:2], euro[2:4], euro[4:6], euro[6:]) == [
        ("né", 0, 1), ("€", 1, 2), ("x", 3, 3),
    ]  # fmt: skip
    # Bytes that are never finished are no word and leave their neighbours whole.
    assert [word for word, *_ in _placed(b"a ", b"\xf0\x9f", b" b")] == ["a", "", "b"]


def test_both_ways_through_a_line_agree() -> None:
    """A line with a broken token is read character by character, others at once."""
    pieces = [b"def", b" na", b"me", b"(", "é".encode(), b"):\n"]
    plain = _placed(*pieces)
    assert _placed(*pieces, b"\xff")[: len(plain)] == plain
