"""The language of the search box: what was typed, as terms; the one place that defines it.

    self            features on this token, in every form of it that is ticked
    ' and'          exactly this token, its space included (so does ·and, as pages show it)
    self cls        on both; a + between them says the same
    self -cls       on the one but not on the other
    def*            every token and word that begins so
    "raise Value"   words one after another, in the examples; -"…" leaves examples out
    has:label       only features that somebody labelled
    #120            the feature of this number; name#120 of one dictionary; so does 120 alone

A text that is itself a token of the vocabulary is always read as that token. Takes a text, gives
terms and, where it can't be read as it stands, a sentence about it. Knows no vocabulary.
"""

import re
from dataclasses import dataclass
from typing import Literal

from app.db.fulltext.words import words_of

Kind = Literal["token", "exact", "prefix", "phrase"]

MOST_TERMS = 6
_LABELLED = "has:label"
_DISPLAYED = str.maketrans({"·": " ", "↵": "\n", "→": "\t"})
_TERM = re.compile(r"""(?P<minus>-(?=\S))?(?:"(?P<phrase>[^"]*)(?P<end>"?)|'(?P<exact>[^']+)'(?=\s|$)|(?P<word>\S+))""")  # noqa: E501  # fmt: skip
_FEATURE = re.compile(r"(?:(?P<sae>[a-z0-9-]+(?:/[a-z0-9-]+)?)?#)?(?P<index>[0-9]{1,9})")


@dataclass(frozen=True)
class Term:
    """One thing asked for."""

    text: str
    kind: Kind
    excluded: bool = False

    @property
    def written(self) -> str:
        """As it is typed, without the minus."""
        quote = {"phrase": '"', "exact": "'"}.get(self.kind, "")
        return f"{quote}{self.text}{quote}{'*' if self.kind == 'prefix' else ''}"


@dataclass(frozen=True)
class FeatureNumber:
    """A feature named by its number."""

    index: int
    sae: str
    """`sae` or `model/sae`; empty where only the number was typed"""

    def is_of(self, address: str) -> bool:
        """Whether it can be a feature of the dictionary at `model/sae`."""
        return self.sae in ("", address, address.split("/")[-1])


@dataclass(frozen=True)
class SearchQuery:
    """What was typed, read."""

    terms: tuple[Term, ...]
    number: FeatureNumber | None
    problem: str
    """what couldn't be read and how to write it; empty where all is well"""

    @property
    def included(self) -> tuple[Term, ...]:
        """What is to be there."""
        return tuple(term for term in self.terms if not term.excluded)

    @property
    def excluded(self) -> tuple[Term, ...]:
        """What is not."""
        return tuple(term for term in self.terms if term.excluded)

    @property
    def combined(self) -> bool:
        """Whether tokens are to be compared with one another."""
        return sum(term.kind != "phrase" for term in self.terms) > 1


def words_of_term(term: Term) -> list[tuple[str, bool]]:
    """The words of a term as they are compared; the last of a beginning may be longer."""
    words = words_of(term.text)
    return [(word, term.kind == "prefix" and i == len(words) - 1) for i, word in enumerate(words)]


def split_labelled(text: str) -> tuple[str, bool]:
    """The text without `has:label`, and whether it was there."""
    words = text.split()
    if _LABELLED not in words:
        return text, False
    return " ".join(word for word in words if word != _LABELLED), True


def read_query(text: str, is_token: bool = False, leaves_out: bool = False) -> SearchQuery:
    """The terms of a text.

    Args:
        is_token: it is one token, whatever it looks like.
        leaves_out: what is to be there is said elsewhere: it may only leave out.
    """
    number = _read_number(text)
    if is_token or not text.strip() or (number and "#" not in text):
        return SearchQuery((Term(text, "token"),) if text else (), number, "")
    if number:
        return SearchQuery((Term(text, "token"),), number, "")
    terms: list[Term] = []
    problem = ""
    for found in _TERM.finditer(text):
        term = _term(found)
        if term is None:
            continue
        if found["phrase"] is not None and not found["end"]:
            problem = 'A phrase ends with a second quotation mark: "raise ValueError".'
        if term not in terms:
            terms.append(term)
    if len(terms) > MOST_TERMS:
        problem = f"At most {MOST_TERMS} words are searched at once; the first {MOST_TERMS} are."
        terms = terms[:MOST_TERMS]
    if not terms:
        problem = "There is no word between the quotation marks."
    elif not leaves_out and all(term.excluded for term in terms):
        problem = (
            f"“-{terms[0].written}” only leaves out: say before it what is to be there, such as "
            f"“self -{terms[0].written}”."
        )
        terms = []
    return SearchQuery(tuple(terms), None, problem)


def _term(found: re.Match[str]) -> Term | None:
    """None for the + between two words, and for an empty phrase."""
    excluded = found["minus"] is not None
    if found["phrase"] is not None:
        return Term(found["phrase"], "phrase", excluded) if found["phrase"].strip() else None
    if found["exact"] is not None:
        return Term(found["exact"], "exact", excluded)
    word = found["word"]
    if word == "+" and found.start() > 0 and found.end() < len(found.string.rstrip()):
        return None
    if len(word) > 1 and word.endswith("*"):
        return Term(word[:-1], "prefix", excluded)
    shown = word.translate(_DISPLAYED)
    return Term(shown, "exact" if shown != word else "token", excluded)


def _read_number(text: str) -> FeatureNumber | None:
    found = _FEATURE.fullmatch(text.strip())
    return None if found is None else FeatureNumber(int(found["index"]), found["sae"] or "")
