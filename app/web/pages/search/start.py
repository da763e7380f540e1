"""What can be typed into an empty search box, with examples that work in this atlas.

Takes the dictionaries searched, gives queries made from the corpus' most frequent words, each with
what it asks for. Knows no result.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.examples import first_context
from app.db.features import has_feature
from app.db.fulltext.queries import features_by_summary
from app.db.fulltext.words import TokenWords, is_word_like
from app.db.tokens import get_tokens, most_frequent

_LOOKED_AT = 200
"""The most frequent tokens, of which most are signs and spaces."""

_SAID = (("single", "token"), ("spread", "over"), ("of", "tokens"))
"""What summaries may say, the most telling first."""


@dataclass(frozen=True)
class Starter:
    """One query to begin with."""

    q: str
    asks: str
    """what it asks for, in words"""


def starters(connection: Connection, saes: list[Sae], labelled: bool = False) -> list[Starter]:
    """Up to one query for each thing the box can do; none for an atlas without dictionaries.

    Args:
        labelled: there are labels to be found.
    """
    if not saes:
        return []
    of_labels = [Starter("has:label", "features somebody labelled; words beside it search them")]
    return [*_starters(connection, saes[0]), *(of_labels if labelled else [])]


def _starters(connection: Connection, sae: Sae) -> Iterator[Starter]:
    words = _frequent_words(connection, sae)
    if words:
        yield Starter(words[0], "features on a token, in every form of it")
        yield Starter(f"' {words[0]}'", "exactly this token, its space included")
        yield Starter(f"{words[0][:2]}*", "every token and word that begins so")
    if len(words) > 1:
        yield Starter(f"{words[0]} {words[1]}", "features on both")
        yield Starter(f"{words[0]} -{words[1]}", "on the one but not on the other")
    phrase = _phrase(connection, sae)
    if phrase:
        yield Starter(f'"{phrase}"', "a phrase in the examples")
    yield Starter(f"{sae.record.sae}#{_middle(connection, sae)}", "a feature by its number")
    for words_said in _SAID:
        if features_by_summary(connection, sae.sae_id, [(w, False) for w in words_said])[0].size:
            yield Starter(" ".join(words_said), "words of the summaries")
            break


def _middle(connection: Connection, sae: Sae) -> int:
    """A feature in the middle of the dictionary."""
    middle = sae.record.n_indices // 2
    while not has_feature(connection, sae, middle):
        middle += 1
    return middle


def _frequent_words(connection: Connection, sae: Sae) -> list[str]:
    """The most frequent distinct tokens that are words of two letters or more."""
    counts = most_frequent(connection, sae.corpus_id, _LOOKED_AT)
    tokens = get_tokens(connection, sae.model_id, (token_id for token_id, _ in counts))
    texts = [tokens[token_id].token.strip() for token_id, _ in counts if token_id in tokens]
    return list(dict.fromkeys(t for t in texts if len(t) > 1 and t.isalpha()))[:2]


def _phrase(connection: Connection, sae: Sae) -> str:
    """Two neighbouring words of the first stored context; empty where it has none."""
    context = first_context(connection, sae.corpus_id)
    if context is None:
        return ""
    ids = context.token_ids.tolist()
    vocabulary = TokenWords(list(get_tokens(connection, sae.model_id, ids).values()))
    words = [word.text for word in vocabulary.words(ids)]
    for one, other in pairwise(words):
        if is_word_like(one) and is_word_like(other) and min(len(one), len(other)) > 2:
            return f"{one} {other}"
    return ""
