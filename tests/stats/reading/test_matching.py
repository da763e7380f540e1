"""Where a reading says yes: every form against a loop over tokens."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.stats.reading.errors import ReadingError
from app.stats.reading.grammar import (
    AllOf,
    AnyOf,
    Anything,
    Exact,
    Expression,
    Near,
    Node,
    Not,
    Word,
    parse,
)
from app.stats.reading.matching import Matcher

from .conftest import TEXTS, SmallGround


class _Loop:
    """The obvious answer at one place of one piece."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def holds(self, node: Node, i: int) -> bool:
        if isinstance(node, Anything):
            return True
        if isinstance(node, Not):
            return not self.holds(node.inner, i)
        if isinstance(node, AnyOf):
            return any(self.holds(part, i) for part in node.parts)
        if isinstance(node, AllOf):
            return all(self.holds(part, i) for part in node.parts)
        if isinstance(node, Near):
            inside = range(len(self._texts))
            places = [j for j in inside if j != i and abs(j - i) <= node.distance]
            places = [j for j in places if node.before if j < i] + [
                j for j in places if node.after if j > i
            ]
            return any(self.holds(node.inner, j) for j in places) != node.absent
        if isinstance(node, Expression):
            return self._expression(node, i)
        return self._phrase(node, i)

    def _phrase(self, node: Word | Exact, i: int) -> bool:
        for start in range(i + 1):
            tokens = self._texts[start : i + 1]
            text = "".join(tokens)
            if isinstance(node, Exact):
                if text == node.text:
                    return True
            elif text.strip() == node.text and all(self._is_part(tokens)):
                return True
        return False

    @staticmethod
    def _is_part(tokens: list[str]) -> list[bool]:
        """Tokens of nothing but space around a word are no part of it."""
        return [bool(tokens[0].strip()), bool(tokens[-1].strip())]

    def _expression(self, node: Expression, i: int) -> bool:
        text = "".join(self._texts)
        end = len("".join(self._texts[:i]))
        for stop in range(end + 1, end + len(self._texts[i]) + 1):
            ending = re.compile(rf"(?:{node.pattern})(?=[\s\S]{{{len(text) - stop}}}\Z)", re.ASCII)
            if any(ending.match(text, start) for start in range(stop)):
                return True
        return False


def _by_loop(small: SmallGround, node: Node) -> list[bool]:
    found = np.zeros(small.ground.n_places, dtype=np.bool_)
    for piece in small.pieces:
        loop = _Loop(small.texts(piece))
        for i, place in enumerate(piece):
            found[place] = loop.holds(node, i)
    return (found & small.corpus.flat_counted[: small.ground.n_places]).tolist()


_WORDS = ["self", "def", "a", "b", "ab", "é", "self.", "selfself", "aab", "B1", "nowhere"]
_TEXTS = ["self", " self", "def ", "ab", " a", "a b", "\n", " ", "self.(", "é"]
_atom = st.one_of(
    st.sampled_from(_WORDS).map(lambda text: Word(text, 0, 0)),
    st.sampled_from(_TEXTS).map(lambda text: Exact(text, 0, 0)),
    st.sampled_from(["sel", "f.", r"\w+\.", "ab?", "é"]).map(lambda p: Expression(p, False, 0, 0)),
    st.just(Anything()),
)


def _larger(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    two = st.tuples(inner, inner)
    sides = st.sampled_from([(True, False), (False, True), (True, True)])
    return st.one_of(
        inner.map(Not),
        two.map(AnyOf),
        two.map(AllOf),
        st.builds(
            lambda node, k, side, absent: Near(node, k, side[0], side[1], absent),
            inner, st.integers(1, 14), sides, st.booleans(),
        ),
    )  # fmt: skip


@settings(max_examples=200)
@given(st.integers(0, 30), st.recursive(_atom, _larger, max_leaves=4))
def test_every_tree_against_a_loop(
    small_ground: Callable[..., SmallGround], seed: int, tree: Node
) -> None:
    small = small_ground(seed)
    assert Matcher(small.ground).says_yes(tree).tolist() == _by_loop(small, tree)


def test_the_ground_is_cut_where_documents_contexts_and_specials_are(
    small_ground: Callable[..., SmallGround],
) -> None:
    for seed in range(10):
        small = small_ground(seed)
        starts = [piece[0] for piece in small.pieces]
        assert small.ground.piece_starts.tolist() == starts
        for piece in small.pieces:
            assert set(small.ground.piece_first[piece].tolist()) == {piece[0]}
            assert set(small.ground.piece_last[piece].tolist()) == {piece[-1]}


def test_only_the_first_contexts_are_looked_at(small_ground: Callable[..., SmallGround]) -> None:
    small = small_ground(5, most_tokens=30)  # contexts of 12
    assert small.ground.n_contexts == 2
    assert small.ground.n_contexts_all == 4
    all_of_it = Matcher(small_ground(5).ground).says_yes(parse("/[a-z]/"))
    assert Matcher(small.ground).says_yes(parse("/[a-z]/")).tolist() == all_of_it[:24].tolist()
    assert small.ground.n_counted == np.count_nonzero(small.corpus.counted[:2])


def test_no_reading_says_yes_where_nothing_is_counted(
    small_ground: Callable[..., SmallGround],
) -> None:
    small = small_ground(2)
    assert Matcher(small.ground).says_yes(Anything()).tolist() == small.corpus.flat_counted.tolist()
    assert not Matcher(small.ground).says_yes(parse(f"'{TEXTS[0]}'")).any(), "specials have no text"


@pytest.mark.parametrize(
    ("reading", "marked"),
    [
        ("self | /a(b/", "(b/"),
        ("/[z-a]/ and self", "z-a]/"),
        (r"/\p{L}/", r"\p{L}/"),
        ("/((a{200}){200}){200}/", "/((a{200}){200}){200}/"),
    ],
)
def test_a_bad_expression_is_marked_from_where_it_goes_wrong(
    small_ground: Callable[..., SmallGround], reading: str, marked: str
) -> None:
    with pytest.raises(ReadingError, match="This regular expression can't be used") as caught:
        Matcher(small_ground(0).ground).says_yes(parse(reading))
    assert reading[caught.value.start : caught.value.stop] == marked
