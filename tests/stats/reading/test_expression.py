"""Regular expressions: every token in which a match ends, against Python's and Google's engines."""

import re
import time
from collections.abc import Callable

import numpy as np
import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from app.stats.corpus import Corpus
from app.stats.reading.expression import match_ends
from app.stats.reading.ground import MOST_TOKEN_BYTES, Ground
from app.stats.reading.pattern import MOST_REPEATS, PatternError
from app.stats.reading.vocabulary import Vocabulary

from .conftest import SmallGround

_ATOMS = ["a", "b", "B", "1", r"\.", ".", r"\w", r"\W", r"\s", r"\d", "[ab]", "[^a]", "é", r"\n",
          "self", "[a-cé]", r"[^\w]", r"\x61", r"\u00e9", "(?:ab|b)", "(self|a)"]  # fmt: skip
_PLACES = ["^", "$", r"\b", r"\B"]
_TIMES = ["", "", "", "*", "+", "?", "{2}", "{0,3}", "{1,2}", "{2,}", "+?", "*?"]


def _patterns(*pieces: str) -> st.SearchStrategy[str]:
    times = st.sampled_from(_TIMES)
    part = st.builds("{}{}".format, st.sampled_from(pieces), times)
    single = st.lists(part, min_size=1, max_size=4).map("".join)
    either = st.builds("{}|{}".format, single, single)
    return st.one_of(single, either, st.builds("({}|{}){}".format, single, single, times))


def _expected(small: SmallGround, found_at: Callable[[str, int], bool]) -> np.ndarray:
    """Token by token: whether a match ends after one of its characters."""
    expected = np.zeros(small.ground.n_places, dtype=np.bool_)
    for piece in small.pieces:
        texts = small.texts(piece)
        whole, end = "".join(texts), 0
        for place, text in zip(piece, texts, strict=True):
            expected[place] = any(found_at(whole, end + k) for k in range(1, len(text) + 1))
            end += len(text)
    return expected


@settings(max_examples=150)
@given(st.integers(0, 20), _patterns(*_ATOMS, *_PLACES), st.booleans())
def test_against_pythons_engine(
    small_ground: Callable[..., SmallGround], seed: int, pattern: str, any_case: bool
) -> None:
    try:
        re.compile(pattern)
    except re.error:
        return  # a repeated repeat, which Python refuses
    small = small_ground(seed, shape=(2, 8))
    flags = re.MULTILINE | re.ASCII | (re.IGNORECASE if any_case else 0)

    def found_at(text: str, end: int) -> bool:
        # the characters left behind the match say where it ends, whatever the pattern prefers
        ending = re.compile(rf"(?:{pattern})(?=[\s\S]{{{len(text) - end}}}\Z)", flags)
        return any(ending.match(text, start) for start in range(end))

    # in either case Python knows é and É only without its ASCII flag; the next test has them
    if any_case and ("é" in pattern or "u00e9" in pattern):
        return
    found = match_ends(small.ground, pattern, any_case)
    assert found.tolist() == _expected(small, found_at).tolist()


@settings(max_examples=80)
@given(st.integers(0, 20), _patterns(*_ATOMS))
def test_against_re2(small_ground: Callable[..., SmallGround], seed: int, pattern: str) -> None:
    pattern = pattern.replace(r"\u00e9", r"\x{e9}")
    small = small_ground(seed)
    options = re2.Options()
    options.never_capture = True
    ending = re2.compile(rf"(?:{pattern})\z", options)

    def found_at(text: str, end: int) -> bool:
        return any(ending.match(text[start:end]) for start in range(end))

    found = match_ends(small.ground, pattern, False)
    assert found.tolist() == _expected(small, found_at).tolist()


def test_letters_in_either_case(small_ground: Callable[..., SmallGround]) -> None:
    small = small_ground(3)
    for pattern in ("É", "[É]", "SELF", "[A-B]1"):
        found = match_ends(small.ground, pattern, True)
        same = match_ends(small.ground, pattern.lower(), True)
        assert found.any(), pattern
        assert (found == same).all()
    assert not match_ends(small.ground, "SELF", False).any()


def test_characters_spread_over_tokens_and_broken_ones() -> None:
    texts = [b"<s>", b"\xe2\x80", b"\x94", b"x", b"", "😀".encode()]
    corpus = Corpus(
        np.array([[3, 1, 2, 3, 4, 5, 2, 3]]), np.ones((1, 8), np.bool_),
        np.zeros((1, 8), np.int32), len(texts),
    )  # fmt: skip
    ground = Ground(corpus, Vocabulary(texts, {0}))

    def found(pattern: str) -> list[int]:
        return np.flatnonzero(match_ends(ground, pattern, False)).tolist()

    assert found("—") == [2]
    assert found("x—x") == [3]
    assert found(r"x\x{1F600}") == [5]
    assert found(".") == [0, 2, 3, 5, 7]  # half a character is none
    assert found("[^x]") == [2, 5]


def test_a_very_long_token_is_read_to_a_stated_length() -> None:
    texts = [b"<s>", b"a" * 10_000 + b"z", b"b"]
    corpus = Corpus(np.array([[0, 1, 2]]), np.ones((1, 3), np.bool_), np.zeros((1, 3), np.int32), 3)
    ground = Ground(corpus, Vocabulary(texts, {0}))
    assert ground.text.bytes_by_step.size == MOST_TOKEN_BYTES + 1
    assert match_ends(ground, "ab", False).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "never closed"),
        (")", "closes nothing"),
        ("a)b", "closes nothing"),
        ("[a", "never closed"),
        ("[]", "never closed"),
        ("[z-a]", "goes backwards"),
        (r"[\w-z]", "from one character to another"),
        ("[[:alpha:]]", "are not known here"),
        ("*a", "nothing before this *"),
        ("a|?", "nothing before this ?"),
        ("a{3,1}", "counts backwards"),
        ("a{999999999999}", f"up to {MOST_REPEATS} times"),
        ("a\\", "escapes nothing"),
        (r"(a)\1", "back-references"),
        ("(?=a)", "look-ahead"),
        ("(?<!a)b", "look-behind"),
        ("(?P<n>a)", "only ?: can follow"),
        (r"\p{L}", "not known here"),
        (r"\x{110000}", "number of a character"),
        (r"\xZZ", "number of a character"),
        (r"\ud800", "number of a character"),
        ("(" * 60 + "a" + ")" * 60, "nested too deep"),
        ("((a{200}){200}){200}", "too large"),
    ],
)
def test_a_bad_pattern_is_a_sentence(
    small_ground: Callable[..., SmallGround], pattern: str, said: str
) -> None:
    with pytest.raises(PatternError, match=re.escape(said)):
        match_ends(small_ground(0).ground, pattern, False)


_LETTERS = [b"<s>", *(bytes([c]) for c in b"abcdefghijklmnopqrstuvwxyz0X.( \n")]


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*b", "(a|aa)+$", "(.*a){12}", "(x+x+)+y", "(?:a?){30}a{30}", "(.*)*z",
     "([a-z]+)*X", "a.{0,100}b", "[a-z].{20}x", "(a|b|ab)*bc", "(\\w+\\s?)+\\(", "((a*)*)*"],
)  # fmt: skip
def test_no_pattern_takes_long(pattern: str) -> None:
    """Patterns that take backtracking engines years: answered, or refused in a sentence."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, len(_LETTERS), (256, 512))
    tokens[:64] = 1  # contexts of nothing but the letter a
    ground = Ground(
        Corpus(tokens, np.ones(tokens.shape, np.bool_), np.zeros(tokens.shape, np.int32), 99),
        Vocabulary(_LETTERS, {0}),
    )
    assert ground.text.bytes_by_step.size == tokens.size
    start = time.process_time()
    try:
        match_ends(ground, pattern, False)
    except PatternError as error:
        assert "too intricate" in str(error)
    assert time.process_time() - start < 2, "a bound for a busy machine; it takes tenths"


@given(st.text(max_size=20))
def test_no_text_breaks_the_parser(small_ground: Callable[..., SmallGround], pattern: str) -> None:
    try:
        match_ends(small_ground(1).ground, pattern or "a", False)
    except PatternError as error:
        assert str(error)
