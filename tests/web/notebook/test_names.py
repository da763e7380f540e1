"""What features are called, by their words and texts, against looking at every label."""

import random
from collections.abc import Sequence

import pytest

from app.db.fulltext.words import marked, words_of
from app.web.notebook.names import Name, Names, Word

WORDS = ("self", "cls", "raise", "raised", "of", "the", "Übung", "引", "x_1", "(")


def _name(texts: Sequence[str]) -> Name:
    return Name(texts[0], "Ada", True, tuple(texts))


def _random_names(seed: int, n: int = 80) -> dict[int, Name]:
    draw = random.Random(seed)
    return {
        index: _name([" ".join(draw.choices(WORDS, k=3)) for _ in range(draw.randint(1, 3))])
        for index in range(n)
    }


def _having(names: dict[int, Name], words: Sequence[Word]) -> set[int]:
    """The features with each of the words in some label of theirs."""
    return {
        index
        for index, name in names.items()
        if all(
            any(
                own.startswith(word) if longer else own == word
                for text in name.all_texts
                for own in words_of(text)
            )
            for word, longer in words
        )
    }


@pytest.mark.parametrize(
    "words",
    [
        [], [("self", False)], [("raise", False)], [("raise", True)], [("nothing", False)],
        [("übung", False), ("引", False)], [("r", True), ("c", True)],
        [("(", False), ("x_1", True)],
    ],
)  # fmt: skip
def test_words_are_found_in_the_labels_that_have_them(words: list[Word]) -> None:
    names = _random_names(1)
    assert Names(names).having(words) == _having(names, words)


@pytest.mark.parametrize("asked_before", [False, True])
def test_after_a_change_the_words_are_those_of_now(asked_before: bool) -> None:
    names = Names(_random_names(2))
    if asked_before:
        names.having([("self", False)])
    changed = {3: _name(["only this"]), 99: _name(["self at last"])}
    after = names.with_changes({3, 7, 99}, changed)
    now = {**{i: name for i, name in _random_names(2).items() if i not in (3, 7)}, **changed}
    assert dict(after) == now
    for word in (*map(str.casefold, WORDS), "only", "this", "last"):
        assert after.having([(word, False)]) == _having(now, [(word, False)]), word
    assert dict(names) == _random_names(2), "pages being drawn go on with what they began with"
    assert 7 in names and 7 not in after


def test_a_text_is_found_whatever_the_case_and_never_across_two_labels() -> None:
    names = Names({1: _name(["The STRASSE", "second"]), 2: _name(["other"])})
    assert names.holding("straße") == names.holding("strasse") == {1}
    assert names.holding("strasse\nsecond") == {1}, "a newline is in no label, so in no query"
    assert names.holding("strasse second") == set()


@pytest.mark.parametrize("text", ["raise ValueError(raise)", "", "引发 raise!", "raised"])
def test_marked_pieces_are_the_text_and_mark_the_words(text: str) -> None:
    pieces = marked(text, lambda word: word == "raise")
    assert "".join(piece for piece, _ in pieces) == text
    assert sum(meant for _, meant in pieces) == words_of(text).count("raise")
    assert all(piece.casefold() == "raise" for piece, meant in pieces if meant)
