"""`/-/suggest.json`: what a text that is still being typed may become.

Gives tokens of the vocabulary that are the last word or begin with it, the features of a number,
features whose label or summary has the words, and the same text as a phrase in the examples; each
with its address. Knows no ranking.
"""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import HTTPException
from pydantic import Field
from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.db.display import display, shorten
from app.db.features import has_feature, short_forms
from app.db.fulltext.words import words_of
from app.db.tokens import TokenMatch, match_tokens
from app.errors import closest, echoed
from app.web.chips import chip
from app.web.memory import Memory
from app.web.notebook.reader import NO_NOTEBOOK, Reader
from app.web.pages.search.labels import LabelHit, NamesBySae, rank_labels
from app.web.pages.search.query import Term, read_query
from app.web.pages.search.summaries import rank_summaries
from app.web.urls import feature_url, search_url
from app.web.views import View

N_TOKENS, N_FEATURES, N_LABELS, N_SUMMARIES = 8, 4, 5, 4
LONGEST_TOKEN = 200
"""Longer tokens are not suggested: their address would be too long."""
SHORTEST_WORD = 2
"""Letters from which labels and summaries are looked through."""


class SuggestView(View):
    """What is typed, and where."""

    q: str = Field(default="", max_length=500)
    sae: str = Field(default="", max_length=200)
    """`model/sae` to search one dictionary"""


@dataclass(frozen=True)
class TokenSuggestion:
    """A token to search for."""

    model: str
    token_id: int
    token: str
    shown: str
    """its text as pages show it, spaces visible"""
    n_occurrences: int
    url: str


@dataclass(frozen=True)
class FeatureSuggestion:
    """A feature to open."""

    model: str
    sae: str
    feature_index: int
    short: str
    """its short form as pages show it"""
    label: str | None
    """what it is called; of a suggested label the one that has the words"""
    url: str


@dataclass(frozen=True)
class SuggestPage:
    """All suggestions, group by group."""

    view: SuggestView
    tokens: list[TokenSuggestion]
    features: list[FeatureSuggestion]
    labels: list[FeatureSuggestion]
    summaries: list[FeatureSuggestion]
    examples: dict[str, str] | None
    """the `text` of a phrase and the `url` of its examples"""

    def as_json(self) -> dict[str, Any]:
        """Every group, empty ones too."""
        return {
            "q": self.view.q,
            "tokens": [asdict(item) for item in self.tokens],
            "features": [asdict(item) for item in self.features],
            "labels": [asdict(item) for item in self.labels],
            "summaries": [asdict(item) for item in self.summaries],
            "examples": self.examples,
        }


def build(
    connection: Connection, memory: Memory, view: SuggestView, reader: Reader = NO_NOTEBOOK
) -> SuggestPage:
    """The suggestions for what is typed.

    Args:
        reader: what features are called.

    Raises:
        HTTPException: 404 where the atlas has no such dictionary.
    """
    saes = list_saes(connection)
    scope = [sae for sae in saes if view.sae in ("", sae.address)]
    if not scope and saes:
        known = closest(view.sae, [sae.address for sae in saes])
        raise HTTPException(404, f"There is no dictionary {echoed(view.sae)}: known are {known}.")
    text = view.q
    number = read_query(text).number
    numbered: list[tuple[Sae, int]] = []
    if number is not None:
        known = saes if number.sae else scope
        numbered = [
            (sae, number.index)
            for sae in known
            if number.is_of(sae.address) and has_feature(connection, sae, number.index)
        ]
    said: list[tuple[Sae, int]] = []
    called: list[LabelHit] = []
    names = {sae.sae_id: reader.names(sae) for sae in saes}
    words = words_of(text.replace('"', " "))
    if words and number is None and len(words[-1]) >= SHORTEST_WORD:
        terms = [Term(" ".join(words), "prefix")]
        ranking = rank_summaries(connection, memory, scope, terms)
        said = [(hit.sae, hit.feature_index) for hit in ranking.hits(0, N_SUMMARIES)]
        called = rank_labels(names, scope, terms).hits(0, N_LABELS)
    return SuggestPage(
        view,
        list(_tokens(connection, scope, view)),
        _features(connection, numbered[:N_FEATURES], names),
        _labels(connection, called),
        _features(connection, said, names),
        _phrase(view) if scope and words and number is None else None,
    )


def _tokens(
    connection: Connection, scope: list[Sae], view: SuggestView
) -> Iterator[TokenSuggestion]:
    """Tokens for the whole text, then for its last word."""
    if view.q.count('"') % 2:
        return
    head, last = _split(view.q)
    models = {sae.model_id: sae for sae in reversed(scope)}
    given: set[tuple[int, int]] = set()
    for sae in sorted(models.values(), key=lambda sae: sae.sae_id):
        for before, word in ([("", view.q)] if head else []) + [(head, last)]:
            matches = match_tokens(connection, sae.model_id, sae.corpus_id, word, N_TOKENS)
            for match in matches:
                key = sae.model_id, match.token.token_id
                text = match.token.token.strip(" \t\r\n") or match.token.token
                fits = len(text) <= LONGEST_TOKEN and (
                    not before or not re.search(r"[\s\"*]", text)
                )
                if fits and key not in given and len(given) < N_TOKENS * len(models):
                    given.add(key)
                    yield _token(sae, match, before + text, view.sae, len(models) > 1)


def _split(text: str) -> tuple[str, str]:
    """What stands before the last word (its minus included), and the last word."""
    found = re.search(r"(?:^|(?<=\s))(-(?=\S))?(\S*)$", text)
    if found is None or not text.strip() or (found.start() == 0 and not found[1]):
        return "", text
    # A minus that begins the whole text leaves nothing to search: it is part of the word.
    return ("", text) if found.start() == 0 else (text[: found.start(2)], found[2])


def _token(sae: Sae, match: TokenMatch, query: str, scope: str, several: bool) -> TokenSuggestion:
    token = match.token
    model = sae.record.model
    chosen = f"{model}:{token.token_id}" if several else str(token.token_id)
    arguments = [("q", query), ("sae", scope), ("token", chosen)]
    return TokenSuggestion(
        model,
        token.token_id,
        token.token,
        chip(token.token),
        match.n_occurrences,
        search_url((name, value) for name, value in arguments if value),
    )


def _features(
    connection: Connection, wanted: list[tuple[Sae, int]], names: NamesBySae
) -> list[FeatureSuggestion]:
    found: list[FeatureSuggestion] = []
    for sae, index in wanted:
        name = names[sae.sae_id].get(index)
        found += _feature(connection, sae, index, None if name is None else name.text)
    return found


def _labels(connection: Connection, hits: list[LabelHit]) -> list[FeatureSuggestion]:
    found: list[FeatureSuggestion] = []
    for hit in hits:
        found += _feature(connection, hit.sae, hit.feature_index, hit.text)
    return found


def _feature(
    connection: Connection, sae: Sae, index: int, label: str | None
) -> list[FeatureSuggestion]:
    """The suggestion of one feature; none where the atlas has no such one."""
    pieces = short_forms(connection, sae.sae_id, [index]).get(index)
    if pieces is None:
        return []
    short = "".join(chip(text) if kind == "token" else text for kind, text in pieces)
    url = feature_url(sae, index)
    return [FeatureSuggestion(sae.record.model, sae.record.sae, index, short, label, url)]


def _phrase(view: SuggestView) -> dict[str, str]:
    """The text as a phrase; its last word may still become longer."""
    text = view.q.replace('"', " ").strip()
    longer = re.search(r"\w$", view.q) is not None
    arguments = [
        ("q", f'"{text}{"*" if longer else ""}"'), ("mode", "examples"), ("sae", view.sae),
    ]  # fmt: skip
    return {
        "text": display(shorten(text, 60)).replace("·", " ") + ("…" if longer else ""),
        "url": search_url((name, value) for name, value in arguments if value),
    }
