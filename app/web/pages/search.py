"""`/-/search`: a text, the vocabulary tokens it means, and the features strongest on them.

`build` combines the rankings of the meant tokens; `SearchPage` is all the template may show.
Without a mode the page shows the first of each ranking; the twin's results are then those that
fire.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.db.cursor import decode_cursor, encode_cursor
from app.db.features import get_features
from app.db.records import RANKING_MODES, RankingMode
from app.errors import closest
from app.web.pages.feature_row import FeatureRow, make_rows
from app.web.pages.search_meaning import Meaning, find_meanings
from app.web.pages.search_ranking import Hit, Ranking, rank
from app.web.pages.search_results import ResultGroup, make_group
from app.web.urls import json_twin, search_url
from app.web.views import SearchView

_OVERVIEW_SIZE = 8
_OVERVIEW_MODES: tuple[RankingMode, ...] = ("fires", "rate", "promotes", "suppresses")


@dataclass(frozen=True)
class Direct:
    """A feature whose number was typed."""

    sae: Sae
    row: FeatureRow


@dataclass(frozen=True)
class SearchPage:
    """Context of `pages/search.html`."""

    view: SearchView
    saes: list[Sae]
    """all dictionaries of the atlas, for the choice"""
    several: bool
    """more than one dictionary is searched"""
    scope: list[Sae]
    """the dictionaries searched"""
    meanings: list[Meaning]
    direct: list[Direct]
    """features the text names by number"""
    groups: list[ResultGroup]
    mode_urls: dict[str, str]
    """this search under each ranking; under the empty name the first of each"""
    first_url: str
    """empty on the first page"""
    next_url: str
    """empty on the last page and in the overview"""
    next: str | None

    def as_json(self) -> dict[str, Any]:
        """`tokens` the text means, then the `results` of one ranking and where they go on."""
        group = self.groups[0] if self.groups else None
        return {
            "q": self.view.q,
            "mode": group.mode if group else self.view.mode or "fires",
            "tokens": [
                {
                    "model": meaning.model,
                    "token_id": meaning.match.token.token_id,
                    "token": meaning.match.token.token,
                    "kind": meaning.match.kind,
                    "n_occurrences": meaning.match.n_occurrences,
                    "searched": meaning.searched,
                }
                for meaning in self.meanings
            ],
            "features": [
                {
                    "model": item.sae.record.model,
                    "sae": item.sae.record.sae,
                    "feature_index": item.row.record.feature_index,
                }
                for item in self.direct
            ],
            "results": [result.as_json() for result in group.results] if group else [],
            "n_results": group.n_features if group else 0,
            "n_left_out": group.n_left_out if group else 0,
            "next": self.next,
            "next_url": json_twin(self.next_url) if self.next_url else None,
        }


def build(connection: Connection, view: SearchView, everything: bool) -> SearchPage:
    """The page of a search.

    Args:
        everything: without a mode, a whole page of the first ranking, as the twin needs it.

    Raises:
        BadCursor: `view.next` belongs to another search.
        HTTPException: 404 where the atlas has no such dictionary.
    """
    saes = list_saes(connection)
    scope = _scope(saes, view.sae)
    meanings = find_meanings(connection, scope, view.q, view.token)
    searched = [
        (sae, [m.match.token.token_id for m in meanings
               if m.searched and m.model == sae.record.model])
        for sae in scope
    ]  # fmt: skip
    alone: RankingMode | None = view.mode or ("fires" if everything or view.next else None)
    groups: list[ResultGroup] = []
    token: str | None = None
    if any(ids for _, ids in searched):
        if alone is None:
            rankings = [rank(connection, mode, searched) for mode in _OVERVIEW_MODES]
            groups = [
                make_group(connection, view, ranking, ranking.hits(0, _OVERVIEW_SIZE))
                for ranking in rankings
            ]
        else:
            ranking = rank(connection, alone, searched)
            hits, token = _page_of(ranking, view, searched)
            groups = [make_group(connection, view, ranking, hits)]
    here = view.arguments(mode=alone or "", next=token)
    return SearchPage(
        view=view,
        saes=saes,
        several=len(scope) > 1,
        scope=scope,
        meanings=meanings,
        direct=_direct(connection, scope, view.q),
        groups=groups,
        mode_urls={
            mode: search_url(view.arguments(mode=mode, next=None)) for mode in ("", *RANKING_MODES)
        },
        first_url=search_url(view.arguments(next=None)) if view.next else "",
        next_url=search_url(here) if token else "",
        next=token,
    )


def _scope(saes: list[Sae], address: str) -> list[Sae]:
    if not address:
        return saes
    found = [sae for sae in saes if sae.address == address]
    if not found:
        known = closest(address, [sae.address for sae in saes])
        raise HTTPException(404, f"There is no dictionary {address}: known are {known}.")
    return found


def _page_of(
    ranking: Ranking, view: SearchView, searched: list[tuple[Sae, list[int]]]
) -> tuple[list[Hit], str | None]:
    """One page of a ranking, and the token of the next."""
    bound = ["search", ranking.mode, [[sae.address, ids] for sae, ids in searched]]
    start = 0
    if view.next is not None:
        place = ranking.find(*decode_cursor(view.next, bound))
        # The atlas may have been rebuilt since: a place that is no more starts again.
        start = 0 if place is None else place + 1
    hits = ranking.hits(start, start + view.size)
    more = start + view.size < len(ranking)
    return hits, encode_cursor(_place(hits[-1]), bound) if more else None


def _place(hit: Hit) -> list[Any]:
    return [hit.sae.address, hit.feature_index]


def _direct(connection: Connection, scope: list[Sae], text: str) -> list[Direct]:
    """`1207` or `#1207` is a feature's number as well as a text."""
    number = text.strip().removeprefix("#")
    if not (number.isascii() and number.isdigit() and len(number) <= 9):
        return []
    found: list[Direct] = []
    for sae in scope:
        records = get_features(connection, sae.sae_id, [int(number)])
        found += [Direct(sae, row) for row in make_rows(connection, sae.model_id, records.values())]
    return found
