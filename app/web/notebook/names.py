"""What the features of one dictionary are called, and where each word of their labels stands.

Both never change: after a change there are others, which share what stayed. Takes names by
feature_index, gives them back, and the features whose labels have some words or a text. Knows no
database.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from app.db.fulltext.words import words_of

Word = tuple[str, bool]
"""A word as it is compared, and whether a longer one that begins so is meant as well."""


@dataclass(frozen=True)
class Name:
    """What a feature is called."""

    text: str
    """of the label that is shown first"""
    author: str
    by_person: bool
    all_texts: tuple[str, ...]
    """of all its labels, the first one first"""

    @cached_property
    def words(self) -> tuple[tuple[str, ...], ...]:
        """The words of each label, in order."""
        return tuple(tuple(words_of(text)) for text in self.all_texts)

    @cached_property
    def folded(self) -> str:
        """All labels for a search by text, whatever the case; no text goes across two of them."""
        return "\n".join(text.casefold() for text in self.all_texts)


class Names(Mapping[int, Name]):
    """Names by feature_index; features without a label are absent."""

    def __init__(self, names: Mapping[int, Name], index: "_Index | None" = None) -> None:
        """`index` is given where it is known already; else the first search by words makes it."""
        self._names = names
        self._index = index

    def __getitem__(self, feature_index: int) -> Name:
        return self._names[feature_index]

    def __iter__(self) -> Iterator[int]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def with_changes(self, changed: Set[int], now: Mapping[int, Name]) -> "Names":
        """The names after some features were changed; what they are called now, if anything."""
        before = {index: self._names[index] for index in changed if index in self._names}
        names = {index: name for index, name in self._names.items() if index not in changed}
        index = None if self._index is None else _changed_index(self._index, before, now)
        return Names({**names, **now}, index)

    def having(self, words: Sequence[Word]) -> set[int]:
        """The features with each of the words somewhere in their labels; all of them without any.

        Not necessarily in one label: whoever asks looks at those that are left.
        """
        found: set[int] | None = None
        for word, longer in words:
            own = self._with_word(word, longer)
            found = own if found is None else found & own
        return set(self._names) if found is None else found

    def holding(self, text: str) -> set[int]:
        """The features with a label that holds a text, whatever the case."""
        sought = text.casefold()
        return {index for index, name in self._names.items() if sought in name.folded}

    def _with_word(self, word: str, longer: bool) -> set[int]:
        if self._index is None:
            self._index = _index_of(self._names)
        if not longer:
            return set(self._index.get(word, ()))
        begun = (own for known, own in self._index.items() if known.startswith(word))
        return set().union(*begun)


NO_NAMES = Names({})

_Index = Mapping[str, tuple[int, ...]]
"""Features by each word of their labels, in no order."""


def _index_of(names: Mapping[int, Name]) -> _Index:
    found: dict[str, list[int]] = defaultdict(list)
    for feature_index, name in names.items():
        for word in _all_words(name):
            found[word].append(feature_index)
    return {word: tuple(features) for word, features in found.items()}


def _changed_index(index: _Index, before: Mapping[int, Name], now: Mapping[int, Name]) -> _Index:
    gone, come = _index_of(before), _index_of(now)
    changed = dict(index)
    for word in {*gone, *come}:
        without = set(gone.get(word, ()))
        kept = [feature for feature in index.get(word, ()) if feature not in without]
        changed[word] = (*kept, *come.get(word, ()))
        if not changed[word]:
            del changed[word]
    return changed


def _all_words(name: Name) -> set[str]:
    return {word for words in name.words for word in words}
