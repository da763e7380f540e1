"""Features by the words of their labels.

Takes the terms of a search and what features are called, gives a ranking: the features whose first
label has every word, then those whose other labels have; ties stand in the order of the
dictionaries and by feature_index. Without a word all labelled features are ranked. Knows no page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.db.catalog import Sae
from app.db.fulltext.words import words_of
from app.web.notebook.names import Name, Names
from app.web.pages.search.query import Term

NamesBySae = Mapping[int, Names]
"""What features are called, by sae_id and feature_index."""


@dataclass(frozen=True)
class LabelHit:
    """One feature with a label that has the words."""

    sae: Sae
    feature_index: int
    name: Name
    text: str
    """the first of its labels that has them"""


class LabelRanking:
    """All features of some dictionaries with a label that has the words."""

    mode = "labels"

    def __init__(self, found: Sequence[LabelHit]) -> None:
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    def hits(self, start: int, stop: int) -> list[LabelHit]:
        """The hits at these places."""
        return list(self._found[start:stop])

    def find(self, address: str, feature_index: int) -> int | None:
        """The place of a feature, or None where it isn't ranked."""
        for place, hit in enumerate(self._found):
            if (hit.sae.address, hit.feature_index) == (address, feature_index):
                return place
        return None


def rank_labels(names: NamesBySae, saes: Sequence[Sae], terms: Sequence[Term]) -> LabelRanking:
    """The features with a label that has every word, and none that has one left out."""
    included = [pair for term in terms if not term.excluded for pair in _words(term)]
    excluded = [words for term in terms if term.excluded and (words := _words(term))]
    first: list[LabelHit] = []
    others: list[LabelHit] = []
    for sae in saes:
        for index, name in sorted(names.get(sae.sae_id, {}).items()):
            texts = [set(words_of(text)) for text in name.all_texts]
            if any(_has(own, words) for own in texts for words in excluded):
                continue
            places = [place for place, own in enumerate(texts) if _has(own, included)]
            if places:
                hit = LabelHit(sae, index, name, name.all_texts[places[0]])
                (others if places[0] else first).append(hit)
    return LabelRanking([*first, *others])


def _has(own: set[str], words: Sequence[tuple[str, bool]]) -> bool:
    return all(
        word in own or (longer and any(one.startswith(word) for one in own))
        for word, longer in words
    )


def _words(term: Term) -> list[tuple[str, bool]]:
    """The words of a term; the last of a beginning may be longer."""
    words = words_of(term.text)
    return [(word, term.kind == "prefix" and i == len(words) - 1) for i, word in enumerate(words)]
