"""Features by the words of their labels.

Takes the terms of a search and what features are called, gives a ranking: the features whose first
label has every word, then those whose other labels have; among each the labels with fewest other
words lead, because they say just that; ties stand in the order of the dictionaries and by
feature_index. Without a word all labelled features are ranked, in that last order. Knows no page.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.db.catalog import Sae
from app.db.fulltext.words import marked
from app.web.notebook.names import Name, Names, Word
from app.web.pages.search.query import Term, words_of_term

NamesBySae = Mapping[int, Names]
"""What features are called, by sae_id."""


@dataclass(frozen=True)
class LabelHit:
    """One feature with a label that has the words."""

    sae: Sae
    feature_index: int
    name: Name
    place: int
    """of the label found among those of the feature, 0 for the one shown first"""
    words: tuple[Word, ...]
    """looked for"""

    @property
    def text(self) -> str:
        """The first of its labels that has the words."""
        return self.name.all_texts[self.place]

    @property
    def pieces(self) -> list[tuple[str, bool]]:
        """That label in pieces, each with whether it is one of the words."""
        return marked(self.text, lambda own: any(_is(own, *word) for word in self.words))


_Row = tuple[bool, int, int, int, int]
"""What a hit is ranked by: another label than the first, its words, number of the dictionary,
feature_index; then the place of the label"""


class LabelRanking:
    """All features of some dictionaries with a label that has the words."""

    mode = "labels"

    def __init__(
        self, names: NamesBySae, saes: Sequence[Sae], words: tuple[Word, ...], rows: list[_Row]
    ) -> None:
        self._names, self._saes, self._words = names, saes, words
        self._rows = sorted(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def hits(self, start: int, stop: int) -> list[LabelHit]:
        """The hits at these places."""
        return [
            LabelHit(sae, index, self._names[sae.sae_id][index], place, self._words)
            for _, _, number, index, place in self._rows[start:stop]
            for sae in [self._saes[number]]
        ]

    def find(self, address: str, feature_index: int) -> int | None:
        """The place of a feature, or None where it isn't ranked."""
        for place, (_, _, number, index, _) in enumerate(self._rows):
            if index == feature_index and self._saes[number].address == address:
                return place
        return None


def rank_labels(names: NamesBySae, saes: Sequence[Sae], terms: Sequence[Term]) -> LabelRanking:
    """The features with a label that has every word, and none that has one left out."""
    included = tuple(word for term in terms if not term.excluded for word in words_of_term(term))
    excluded = [words for term in terms if term.excluded and (words := words_of_term(term))]
    rows: list[_Row] = []
    for number, sae in enumerate(saes):
        for index, name, place in _found(names.get(sae.sae_id), included, excluded):
            n_words = len(name.words[place]) if included else 0
            rows.append((place > 0, n_words, number, index, place))
    return LabelRanking(names, saes, included, rows)


def _found(
    names: Names | None, included: tuple[Word, ...], excluded: Sequence[list[Word]]
) -> Iterator[tuple[int, Name, int]]:
    """Features with their names and the place of the first label that has every word."""
    if names is None:
        return
    for index in names.having(included):
        name = names[index]
        if any(_has(own, words) for own in name.words for words in excluded):
            continue
        if not included or len(name.all_texts) == 1:  # what the feature has, its one label has
            yield index, name, 0
            continue
        for place, own in enumerate(name.words):
            if _has(own, included):
                yield index, name, place
                break


def _has(own: Sequence[str], words: Sequence[Word]) -> bool:
    return all(any(_is(one, word, longer) for one in own) for word, longer in words)


def _is(own: str, word: str, longer: bool) -> bool:
    return own.startswith(word) if longer else own == word
