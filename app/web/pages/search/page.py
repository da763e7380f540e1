"""`/-/search`: a text, what it means, and the features that answer to it, group by group.

`build` reads the text, ranks features in every group it has results in, and shows the first of
each; with a mode, one group whole. `SearchPage` is all the template may show. The twin's `results`
are those of the mode, without one those that fire.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.db.cursor import BadCursor, decode_cursor, encode_cursor
from app.db.features import get_features
from app.errors import closest, echoed
from app.web.memory import Memory
from app.web.notebook.reader import NO_NOTEBOOK, Reader
from app.web.pages.feature_row import FeatureRow, make_rows
from app.web.pages.search.groups import (
    AnyRanking,
    Mode,
    ResultGroup,
    Searched,
    Wanted,
    make_groups,
    make_ranking,
)
from app.web.pages.search.lede import Pieces, lede
from app.web.pages.search.meaning import TermMeanings, find_meanings, read_text
from app.web.pages.search.query import FeatureNumber, split_labelled
from app.web.pages.search.start import Starter, starters
from app.web.urls import feature_url, json_twin, search_url
from app.web.views import SearchView

OVERVIEW: dict[Mode, int] = {
    "fires": 8, "promotes": 5, "suppresses": 5, "summaries": 5, "examples": 8, "labels": 5,
}  # fmt: skip
"""Groups shown without a mode, and how many features of each."""


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
    problem: str
    """what of the text couldn't be read, as a sentence"""
    terms: list[TermMeanings]
    """the terms that can be tokens, with all they can stand for"""
    unranked: str
    """which dictionaries have no feature ranked by token, and why; empty where none is meant"""
    direct: list[Direct]
    """features the text names by number"""
    lede: Pieces
    """how many features answer; only without a mode"""
    groups: dict[Mode, ResultGroup]
    """by mode: the one of the address, or the first of each"""
    modes: list[tuple[str, str]]
    """the groups there are and this search in each alone; first, under the empty name, in all"""
    starters: list[Starter]
    """queries to begin with, where nothing was typed"""
    everywhere_url: str
    """this search in all dictionaries; empty where it is that already"""
    first_url: str
    """empty on the first page"""
    next_url: str
    """empty on the last page and in the overview"""
    results: ResultGroup | None
    """of the mode, whole; without one only in the twin, as those that fire"""
    next: str | None

    def as_json(self) -> dict[str, Any]:
        """`tokens` the text means, the `results` of one ranking and where they go on, `groups`."""
        group = self.results
        return {
            "q": self.view.q,
            "problem": self.problem or None,
            "mode": group.mode if group else self.view.mode or "fires",
            "tokens": [
                {
                    "model": meaning.model,
                    "token_id": meaning.match.token.token_id,
                    "token": meaning.match.token.token,
                    "kind": meaning.match.kind,
                    "n_occurrences": meaning.match.n_occurrences if meaning.counted else None,
                    "searched": meaning.searched,
                    "term": own.term.text,
                    "excluded": own.term.excluded,
                }
                for own in self.terms
                for meaning in own.meanings
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
            "groups": [group.as_json() for group in self.groups.values()],
            "next": self.next,
            "next_url": json_twin(self.next_url) if self.next_url else None,
        }


def build(
    connection: Connection,
    memory: Memory,
    view: SearchView,
    everything: bool,
    reader: Reader = NO_NOTEBOOK,
) -> SearchPage:
    """The page of a search.

    Args:
        reader: what features are called.
        everything: without a mode, a whole page of the first ranking, as the twin needs it.

    Raises:
        BadCursor: `view.next` belongs to another search.
        HTTPException: 404 where the atlas has no such dictionary.
    """
    saes = list_saes(connection)
    scope = _scope(saes, view.sae)
    asked, only_labelled = split_labelled(view.q)
    query = read_text(connection, scope, asked, only_labelled)
    terms = find_meanings(connection, scope, query, view.token)
    names = {sae.sae_id: reader.names(sae) for sae in scope}
    searched = Searched(query, terms, scope, names, only_labelled)
    modes = searched.modes()
    wanted: list[Mode] = [m for m in modes if (m == view.mode if view.mode else m in OVERVIEW)]
    rankings = {mode: make_ranking(connection, memory, searched, mode) for mode in wanted}
    alone: Mode | None = view.mode or (_first_mode(searched) if everything or view.next else None)
    parts: list[Wanted] = []
    if not view.mode:
        for mode in wanted:
            url = search_url(view.arguments(mode=mode, next=None))
            parts.append(Wanted(mode, rankings[mode], (0, OVERVIEW[mode]), url))
    token: str | None = None
    if alone is not None and alone in rankings:
        start, token = _page_of(rankings[alone], view, searched.bound(alone))
        parts.append(Wanted(alone, rankings[alone], (start, start + view.size)))
    made = make_groups(connection, memory, parts, names)
    results = made[-1] if alone in rankings else None
    groups: dict[Mode, ResultGroup] = {group.mode: group for group in made[: len(wanted)]}
    here = view.arguments(mode=alone or "", next=token)
    return SearchPage(
        view=view,
        saes=saes,
        several=len(scope) > 1,
        problem=query.problem or (reader.problem if only_labelled else ""),
        terms=terms,
        unranked=_unranked(searched),
        direct=_direct(connection, saes, scope, query.number),
        lede=[] if view.mode else lede(searched, rankings),
        groups=groups,
        modes=[
            (mode, search_url(view.arguments(mode=mode, next=None)))
            for mode in (("", *modes) if len(modes) > 1 else ())
        ],
        starters=[] if view.q else starters(connection, scope, any(names.values())),
        everywhere_url=search_url(view.arguments(sae="", next=None))
        if view.sae and len(saes) > 1
        else "",
        first_url=search_url(view.arguments(next=None)) if view.next else "",
        next_url=search_url(here) if token else "",
        results=results,
        next=token,
    )


def _unranked(searched: Searched) -> str:
    """Of imports that are searched for a token."""
    if not any(own.meanings for own in searched.terms if not own.term.excluded):
        return ""
    found = [sae for sae in searched.scope if sae.record.imported is not None]
    if not found:
        return ""
    names = ", ".join(sae.address for sae in found)
    it_was, its = ("it was", "its") if len(found) == 1 else ("they were", "their")
    return (
        f"Features of {names} aren’t ranked by token: the files {it_was} read from don’t hold "
        f"{its} firings by token, and of the logits only the ends of the lists."
    )


def _first_mode(searched: Searched) -> Mode:
    """The ranking that is meant where none is named."""
    return "labels" if searched.only_labelled else "fires"


def only_feature(connection: Connection, view: SearchView) -> str:
    """The address of the one feature that `#120` or `name#120` names; empty for any other text.

    Raises:
        HTTPException: 404 where the atlas has no such dictionary.
    """
    if "#" not in view.q:
        return ""
    saes = list_saes(connection)
    scope = _scope(saes, view.sae)
    query = read_text(connection, scope, view.q)
    terms = find_meanings(connection, scope, query, view.token)
    if query.number is None or any(own.meanings for own in terms):
        return ""
    found = _direct(connection, saes, scope, query.number)
    return feature_url(found[0].sae, query.number.index) if len(found) == 1 else ""


def _scope(saes: list[Sae], address: str) -> list[Sae]:
    if not address:
        return saes
    found = [sae for sae in saes if sae.address == address]
    if not found:
        known = closest(address, [sae.address for sae in saes])
        raise HTTPException(404, f"There is no dictionary {echoed(address)}: known are {known}.")
    return found


def _page_of(ranking: AnyRanking, view: SearchView, bound: list[Any]) -> tuple[int, str | None]:
    """Where a page of a ranking begins, and the token of the next."""
    start = 0
    if view.next is not None:
        match decode_cursor(view.next, bound):
            case [str(address), int(feature_index)]:
                place = ranking.find(address, feature_index)
            case _:
                raise BadCursor("this `next` token is damaged")
        # The atlas may have been rebuilt since: a place that is no more starts again.
        start = 0 if place is None else place + 1
    stop = start + view.size
    if stop >= len(ranking):
        return start, None
    [last] = ranking.hits(stop - 1, stop)
    return start, encode_cursor([last.sae.address, last.feature_index], bound)


def _direct(
    connection: Connection, saes: list[Sae], scope: list[Sae], number: FeatureNumber | None
) -> list[Direct]:
    """`1207`, `#1207` or `name#1207` is a feature's number; a name reaches every dictionary."""
    found: list[Direct] = []
    for sae in saes if number is not None and number.sae else scope:
        if number is not None and number.is_of(sae.address):
            records = get_features(connection, sae.sae_id, [number.index])
            rows = make_rows(connection, sae.model_id, records.values())
            found += [Direct(sae, row) for row in rows]
    return found
