"""The groups of a search: fires on, fires whenever, promotes, suppresses, examples, summaries and
labels.

Takes the terms with their meanings, gives each group's ranking, and a page of it with its rows.
Knows the order of nothing on the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.records import RANKING_MODES, RankingMode
from app.web.memory import Memory
from app.web.pages.search.combine import TokenTerms, rank_combined
from app.web.pages.search.examples import ExampleRanking, rank_examples, searchable
from app.web.pages.search.labels import LabelRanking, NamesBySae, rank_labels
from app.web.pages.search.lines import ExampleResult, make_example_results
from app.web.pages.search.meaning import TermMeanings
from app.web.pages.search.only import Features
from app.web.pages.search.query import SearchQuery
from app.web.pages.search.ranking import Ranking, rank
from app.web.pages.search.results import (
    LabelResult,
    Result,
    SummaryResult,
    make_label_results,
    make_results,
    make_summary_results,
    read_rows,
)
from app.web.pages.search.summaries import SummaryRanking, rank_summaries

Mode = RankingMode | Literal["examples", "summaries", "labels"]
MODES: tuple[Mode, ...] = (*RANKING_MODES, "examples", "summaries", "labels")

AnyRanking = Ranking | ExampleRanking | SummaryRanking | LabelRanking
AnyResult = Result | ExampleResult | SummaryResult | LabelResult


@dataclass(frozen=True)
class ResultGroup:
    """One ranking, or the first of it."""

    mode: Mode
    results: Sequence[AnyResult]
    n_features: int
    """ranked features that can be paged through"""
    n_left_out: int
    """pairs of token and feature beyond the tokens' stored lists"""
    all_url: str
    """this ranking alone; empty when it is shown alone"""

    def as_json(self) -> dict[str, Any]:
        """Its size and its rows."""
        return {
            "mode": self.mode,
            "n_results": self.n_features,
            "n_left_out": self.n_left_out,
            "results": [result.as_json() for result in self.results],
        }


@dataclass(frozen=True)
class Searched:
    """All that the groups are made from."""

    query: SearchQuery
    terms: list[TermMeanings]
    scope: list[Sae]
    names: NamesBySae = field(default_factory=dict)
    """what features of these dictionaries are called"""
    only_labelled: bool = False
    """only features with a label are asked for"""

    def token_terms(self) -> list[tuple[Sae, TokenTerms]]:
        """The tokens meant in each dictionary in which every term that is to be there has some.

        Nothing where no token is to be there, and nothing of imports.
        """
        found: list[tuple[Sae, TokenTerms]] = []
        for sae in self.scope:
            if sae.record.imported is not None:
                continue  # no feature of it is ranked by token
            model = sae.record.model
            included = [t.token_ids(model) for t in self.terms if not t.term.excluded]
            excluded = [i for t in self.terms if t.term.excluded for i in t.token_ids(model)]
            if included and all(included):
                found.append((sae, TokenTerms(included, excluded)))
        return found

    def modes(self) -> list[Mode]:
        """The groups this search can have results in; none in an atlas without dictionaries."""
        if self.only_labelled and not self.query.included:
            return ["labels"] if self.scope else []
        found: list[Mode] = list(RANKING_MODES) if self.token_terms() else []
        if self.scope and any(searchable(term) for term in self.query.included):
            found.append("examples")
        if self.scope and self.query.included:
            found.append("summaries")
        if self.query.included and any(self.names.values()):
            found.append("labels")
        return found

    def labelled(self) -> Features:
        """The features somebody labelled, ascending."""
        return {sae_id: np.array(sorted(names), np.int64) for sae_id, names in self.names.items()}

    def bound(self, mode: Mode) -> list[Any]:
        """What a `next` token of one ranking is bound to."""
        terms = [[term.kind, term.text, term.excluded] for term in self.query.terms]
        tokens = [[sae.address, own.included, own.excluded] for sae, own in self.token_terms()]
        saes = [sae.address for sae in self.scope]
        labelled = ["has:label"] if self.only_labelled else []
        return ["search", mode, *labelled, saes, tokens if mode in RANKING_MODES else terms]


@dataclass(frozen=True)
class Wanted:
    """A part of one group to show."""

    mode: Mode
    ranking: AnyRanking
    places: tuple[int, int]
    """the first and the one after the last"""
    all_url: str = ""


def make_ranking(
    connection: Connection, memory: Memory, searched: Searched, mode: Mode
) -> AnyRanking:
    """All features of one group."""
    if mode == "labels":
        return rank_labels(searched.names, searched.scope, searched.query.terms)
    ranking = _rank(connection, memory, searched, mode)
    return ranking.only(searched.labelled()) if searched.only_labelled else ranking


def _rank(
    connection: Connection, memory: Memory, searched: Searched, mode: Mode
) -> Ranking | ExampleRanking | SummaryRanking:
    if mode == "examples":
        return rank_examples(connection, memory, searched.scope, searched.query.terms)
    if mode == "summaries":
        return rank_summaries(connection, memory, searched.scope, searched.query.terms)
    assert mode != "labels"
    own = searched.token_terms()
    if len(searched.terms) > 1:
        return rank_combined(connection, memory, mode, own)
    return rank(connection, mode, [(sae, terms.included[0]) for sae, terms in own])


def make_groups(
    connection: Connection, memory: Memory, wanted: Sequence[Wanted], names: NamesBySae
) -> list[ResultGroup]:
    """The rows of some groups; what they show of features is read together.

    Args:
        names: what features are called.
    """
    hits = [one.ranking.hits(*one.places) for one in wanted]
    rows = read_rows(connection, memory, chain.from_iterable(hits), names)
    groups: list[ResultGroup] = []
    for one in wanted:
        ranking, results = one.ranking, []
        if isinstance(ranking, ExampleRanking):
            results = make_example_results(connection, memory, rows, ranking.hits(*one.places))
        elif isinstance(ranking, SummaryRanking):
            results = make_summary_results(rows, ranking.hits(*one.places))
        elif isinstance(ranking, LabelRanking):
            results = make_label_results(rows, ranking.hits(*one.places))
        else:
            results = make_results(connection, memory, rows, ranking, ranking.hits(*one.places))
        left_out = ranking.n_left_out if isinstance(ranking, Ranking) else 0
        groups.append(ResultGroup(one.mode, results, len(ranking), left_out, one.all_url))
    return groups
