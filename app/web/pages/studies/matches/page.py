"""The page of a dictionary's matches in another one: how it is built, and its twin.

Takes a dictionary and a view; reads both records of the study, the columns of both dictionaries and
the rows of the features listed. Knows no template.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fastapi import HTTPException
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.errors import closest, echoed
from app.web.charts.beside import Beside, Population, beside, edges_of
from app.web.memory import Memory
from app.web.pages.policy import corpus_sentence
from app.web.pages.studies.choice import Choice
from app.web.pages.studies.figure import Figure
from app.web.pages.studies.geometry.charts import CHANCE
from app.web.pages.studies.listed import rows_of
from app.web.pages.studies.matches.figures import chance_note, lede, match_figures
from app.web.pages.studies.matches.lines import (
    PER_PAGE,
    MatchLine,
    OtherLine,
    match_lines,
    other_lines,
)
from app.web.pages.studies.matches.measured import Measured
from app.web.pages.studies.matches.others import Other, other_dictionaries
from app.web.pages.studies.matches.view import MatchesView
from app.web.pages.studies.ways import Way, not_measured, refuse_import, ways_of
from app.web.ranges import parse_range, range_words
from app.web.urls import study_url

_SORTS = {
    "cosine": "Lowest first",
    "-cosine": "Highest first",
    "-density": "Densest first",
    "density": "Rarest first",
    "feature_index": "By number",
}


@dataclass(frozen=True)
class MatchesPage:
    """Context of `pages/studies/matches.html`."""

    sae: Sae
    other: Sae
    view: MatchesView
    ways: list[Way]
    lede: list[tuple[str, str]]
    figures: list[Figure]
    others: list[OtherLine]
    turned_url: str
    """the same two, seen from the other"""
    chart: Beside
    chart_note: str
    matchings: list[Choice]
    """one where the job matched nothing one to one"""
    nears: list[Choice]
    sorts: list[Choice]
    one_to_one: bool
    band_words: str
    """the range listed; empty where it is all"""
    all_url: str
    lines: list[MatchLine]
    n_listed: int
    first: int
    """place of the first one shown, from 1"""
    previous_url: str
    next_url: str
    corpus_note: str
    measured: Measured = field(repr=False)
    back_of: list[Other] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """The same numbers before they became text."""
        return _twin(self.sae, self.other, self.measured, self.back_of)


def build(connection: Connection, sae: Sae, view: MatchesView, memory: Memory) -> MatchesPage:
    """The page under a view.

    Raises:
        HTTPException: 404 where the dictionary was compared with no other, or not with the one
            asked for.
    """
    refuse_import(sae)
    others = other_dictionaries(connection, sae)
    shown = _shown(sae, others, view)
    assert shown.found is not None and shown.back is not None
    measured = Measured(
        shown.found,
        shown.back,
        memory.columns(connection, sae.sae_id),
        memory.columns(connection, shown.sae.sae_id),
        view,
    )
    listed = measured.listed()
    start = min(view.start, max(listed.size - 1, 0))
    indices = listed[start : start + PER_PAGE].tolist()
    rows = rows_of(connection, sae, indices)
    other_rows = rows_of(connection, shown.sae, [int(measured.match[i]) for i in indices])
    name = shown.sae.record.sae

    def url(**changes: Any) -> str:
        return study_url(sae, "matches", view.arguments(**changes))

    return MatchesPage(
        sae=sae,
        other=shown.sae,
        view=view,
        ways=ways_of(connection, sae, "matches"),
        lede=lede(measured, name),
        figures=match_figures(measured, name),
        others=other_lines(sae, others, shown, view),
        turned_url=study_url(
            shown.sae, "matches", view.arguments(other=sae.record.sae, start=0, cosine="")
        ),
        chart=_chart(measured, lambda low, high: url(cosine=f"{low}..{high}", start=0)),
        chart_note=chance_note(measured),
        matchings=[
            Choice(
                label, url(matching=value, start=0, cosine=""), one_to_one == measured.one_to_one
            )
            for value, label, one_to_one in (
                ("best", "Best", False),
                ("one-to-one", "One to one", True),
            )
            if measured.has_one_to_one or not one_to_one
        ],
        nears=[
            Choice(value, url(near=value), value == view.near)
            for value in ("0.5", "0.6", "0.7", "0.8", "0.9", "0.95")
        ],
        sorts=[
            Choice(label, url(sort=value, start=0), value == view.sort)
            for value, label in _SORTS.items()
        ],
        one_to_one=measured.one_to_one,
        band_words=range_words(view.cosine) if view.cosine else "",
        all_url=url(cosine="", start=0),
        lines=match_lines(sae, shown.sae, measured, indices, rows, other_rows),
        n_listed=listed.size,
        first=start + 1,
        previous_url=url(start=max(start - PER_PAGE, 0)) if start else "",
        next_url=url(start=start + PER_PAGE) if start + PER_PAGE < listed.size else "",
        corpus_note=corpus_sentence(sae),
        measured=measured,
        back_of=others,
    )


def _shown(sae: Sae, others: list[Other], view: MatchesView) -> Other:
    """The other dictionary of the view."""
    compared = [each for each in others if each.found is not None and each.back is not None]
    if not view.other:
        if compared:
            return compared[0]
        if any(each.sae.record.place == sae.record.place for each in others):
            raise not_measured(sae, "matches")
        raise HTTPException(
            404,
            f"The atlas holds no other dictionary of {sae.record.place} to compare "
            f"{sae.address} with: add one with `feature-atlas precompute`.",
        )
    by_name = {each.sae.record.sae: each for each in others}
    if view.other not in by_name:
        known = closest(view.other, [each.sae.record.sae for each in compared] or [sae.record.sae])
        raise HTTPException(
            404,
            f"There is no other dictionary {echoed(view.other)!r} of {sae.record.model} here: "
            f"{sae.address} was compared with {known if compared else 'none'}.",
        )
    found = by_name[view.other]
    if found not in compared:
        problem = found.problem or "not compared"
        raise HTTPException(
            404, f"{sae.address} can’t be shown beside {found.sae.address}: it {problem}."
            if problem.startswith(("reads", "has"))
            else f"{sae.address} can’t be shown beside {found.sae.address}: {problem}.",
        )  # fmt: skip
    return found


def _chart(measured: Measured, link: Any) -> Beside:
    own = Population("features", measured.cosine[measured.living])
    chance = [
        Population(CHANCE[each.kind], each.cosine.astype(np.float64))
        for each in measured.found.random
    ]
    words = "one-to-one match" if measured.one_to_one else "best match"
    return beside(
        own,
        [] if measured.one_to_one else chance,
        edges_of([own, *chance], 40),
        kind="cosines",
        label=f"Histogram of the cosine to the {words}",
        x_name=f"cosine to the {words}",
        y_name="share of living features",
        noun="features",
        kept=parse_range(measured.view.cosine),
        link=link,
    )


def _twin(sae: Sae, other: Sae, measured: Measured, others: list[Other]) -> dict[str, Any]:
    found, back = measured.found, measured.back
    return {
        "model": sae.record.model,
        "sae": sae.record.sae,
        "other": other.record.sae,
        "hook_name": sae.record.hook_name,
        "hook_name_out": sae.record.hook_name_out,
        "near": float(measured.view.near),
        "mmcs": found.mmcs,
        "mmcs_back": back.mmcs,
        "random": {each.kind: each.mean for each in found.random},
        "random_back": {each.kind: each.mean for each in back.random},
        "n_living": found.n_living,
        "n_other_living": back.n_living,
        "n_matched": measured.n_matched,
        "n_other_matched": measured.n_other_matched,
        "n_mutual": int((measured.mutual & measured.living).sum()),
        "half_precision": found.half_precision,
        "best_index": found.best_index.tolist(),
        "cosine": found.cosine.tolist(),
        "one_to_one": found.one_to_one.tolist() if measured.has_one_to_one else None,
        "features": measured.listed().tolist(),
        "others": [
            {
                "sae": each.sae.record.sae,
                "hook_name": each.sae.record.hook_name,
                "hook_name_out": each.sae.record.hook_name_out,
                "d_sae": each.sae.record.d_sae,
                "mmcs": each.found.mmcs if each.found else None,
                "mmcs_back": each.back.mmcs if each.back else None,
                "problem": each.problem or None,
            }
            for each in others
        ],
    }
