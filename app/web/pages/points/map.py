"""`/{model}/{sae}/map`: every feature at the place of its decoder direction, in two dimensions.

`build` gives the server's drawing, the features that fire on a searched token, and what a script
needs to draw every point; `MapPage` is all the template may show.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import get_features
from app.db.maps import get_direction_map
from app.db.records import TokenRecord
from app.web.charts.scatter import Picture, draw_cells
from app.web.memory import Memory
from app.web.pages.feature_row import FeatureRow, make_rows
from app.web.pages.points.columns import choices_of
from app.web.pages.points.legend import Legend, legend_of, n_hollow_of
from app.web.pages.points.plane import Frame, MapMark, frame_of, mark_of, places_in, squares_of
from app.web.pages.points.search import MapHit, search_map
from app.web.pages.policy import corpus_sentence
from app.web.pages.studies.ways import Way, refuse_import, ways_of
from app.web.urls import map_url, points_url, search_url
from app.web.views import MapView, PointsView, SearchView

_LISTED = 10


@dataclass(frozen=True)
class ListedHit:
    """One of the first of these, as the list shows it."""

    hit: MapHit
    row: FeatureRow
    bar: float
    """length of its bar, percent"""


@dataclass(frozen=True)
class MapPage:
    """Context of `pages/map.html`."""

    sae: Sae
    view: MapView
    ways: list[Way]
    """to the other pages about the dictionary"""
    method: str
    """how the map was made, in words"""
    n_dead: int
    n_hollow: int
    """features without a place on the scale of the colour"""
    frame: Frame
    picture: Picture
    marked: MapMark | None
    """the feature marked by the address"""
    choices: dict[str, str]
    """columns that can colour the dots"""
    legend: Legend
    tokens: list[TokenRecord]
    """what `q` stands for"""
    marks: list[MapMark]
    """features that fire on it, strongest first"""
    hits: list[ListedHit]
    """the first of them"""
    n_left_out: int
    """pairs of token and feature beyond the tokens' stored lists"""
    search_url: str
    """the same search over everything; empty without one"""
    points_url: str
    clear_url: str
    """the map without the search"""
    default_color: str
    corpus_note: str

    def as_json(self) -> dict[str, Any]:
        """How the map was made, where its numbers are, and the features that fire on `q`."""
        return {
            "model": self.sae.record.model,
            "sae": self.sae.record.sae,
            "d_sae": self.sae.record.d_sae,
            "method": self.method,
            "points_url": self.points_url,
            "q": self.view.q,
            "tokens": [{"token_id": t.token_id, "token": t.token} for t in self.tokens],
            "results": [
                {"feature_index": mark.feature_index, "share": mark.share} for mark in self.marks
            ],
            "n_left_out": self.n_left_out,
        }


def build(connection: Connection, sae: Sae, view: MapView, memory: Memory) -> MapPage:
    """The map under a view.

    Raises:
        HTTPException: 404 where there is no map, or no such feature to mark.
    """
    refuse_import(sae)
    found = get_direction_map(connection, sae.sae_id)
    if found is None:
        raise HTTPException(
            404,
            f"This atlas has no map of directions of {sae.address}: build it again with "
            "`feature-atlas precompute --replace`.",
        )
    if view.feature is not None and view.feature >= sae.record.n_indices:
        raise HTTPException(404, f"{sae.address} has {sae.numbers}, not {view.feature}.")
    values = memory.columns(connection, sae.sae_id)
    frame = frame_of(found.positions)
    x, y = places_in(found.positions, frame)
    search = search_map(connection, sae, view.q)
    rows = _rows(connection, sae, [hit.feature_index for hit in search.hits[:_LISTED]])
    columns, n_rows = squares_of(frame)
    largest = max((hit.share for hit in search.hits), default=1.0)
    return MapPage(
        sae=sae,
        view=view,
        ways=ways_of(connection, sae, "map"),
        method=found.method,
        n_dead=int((~values.living).sum()),
        n_hollow=n_hollow_of(view.color, values[view.color]),
        frame=frame,
        picture=draw_cells(x, y, values.living, columns, n_rows),
        marked=None if view.feature is None else mark_of(view.feature, 1.0, 1.0, x, y),
        choices=choices_of(values.measured),
        legend=legend_of(view.color, values[view.color]),
        tokens=search.tokens,
        marks=[mark_of(hit.feature_index, hit.share, largest, x, y) for hit in search.hits],
        hits=[
            ListedHit(hit, row, round(100 * hit.share, 2))
            for hit, row in zip(search.hits, rows, strict=False)
        ],
        n_left_out=search.n_left_out,
        search_url=_search_url(sae, view.q),
        points_url=points_url(sae, PointsView(x="map_x", y="map_y", color=view.color).arguments()),
        clear_url=map_url(sae, view.arguments(q="")),
        default_color=MapView.model_fields["color"].default,
        corpus_note=corpus_sentence(sae),
    )


def _rows(connection: Connection, sae: Sae, indices: list[int]) -> list[FeatureRow]:
    records = get_features(connection, sae.sae_id, indices)
    return make_rows(connection, sae.model_id, [records[index] for index in indices])


def _search_url(sae: Sae, text: str) -> str:
    view = SearchView(q=text, mode="fires", sae=sae.address)
    return search_url(view.arguments()) if text else ""
